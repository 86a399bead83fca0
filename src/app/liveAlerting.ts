import { createGrouper, type Replaced } from '../alert/grouper.ts';
import type { Clock } from '../core/clock.ts';
import type { StreamKey } from '../core/record.ts';
import type { Alert, Signal } from '../core/signal.ts';
import type { Alerting } from './alerting.ts';
import type { AnchorTrouble } from './anchors.ts';
import type { LastingFault } from './lastingFaults.ts';
import type { LiveDetection } from './liveDetection.ts';
import type { StreamTrouble } from './sink.ts';

type Trouble = StreamTrouble | AnchorTrouble | LastingFault;

export interface LiveAlerting {
  /** Rebuilds state from the store; alerts that were stored and never offered are offered now. */
  start(): Promise<void>;
  /** One round: what is new is detected, grouped, stored, and told; after `stopping` no further message is begun. */
  round(stopping?: AbortSignal): Promise<void>;
  /** Something about a stream itself, or about who remembers the log, told with the next round. Resolves when it is stored. */
  trouble(trouble: Trouble): Promise<void>;
}

/**
 * Signals to people while streams are live: every change of an alert is stored before anyone hears of it.
 * `isLive` tells alerts of live streams from those of files, which are sent only when asked for; `isJustIn` those
 * of records that came shortly before the last run ended.
 */
export function createLiveAlerting(
  detection: LiveDetection,
  alerting: Alerting,
  clock: Clock,
  ownerOf: (secret: string) => string,
  isLive: (alert: Alert) => boolean,
  isJustIn: (alert: Alert) => Promise<boolean> = async () => false,
): LiveAlerting {
  let grouper = createGrouper({ ownerOf });
  const troubles = new Map<Signal, () => void>();
  /** An answer of the store got lost: what it was asked to save may be saved already, and nobody was told. */
  let isSaveUncertain = false;
  let untold: readonly Alert[] = [];
  let handedOver: readonly Replaced[] = [];

  /** Stored before anyone hears of it; what could not be stored is returned by the grouper again. */
  const save = async (signals: readonly Signal[]) => {
    const { changed, replaced } = grouper.add(signals);
    if (changed.length === 0 && replaced.length === 0) return { fresh: [], replaced };
    const heirs = new Map(replaced.map((r) => [r.id, r.by]));
    const gone =
      heirs.size === 0 ? [] : (await alerting.store.grouped(0)).filter((g) => heirs.has(g.alert.id));
    const superseded = gone.map((g) => ({ ...g, replacedBy: heirs.get(g.alert.id) ?? '' }));
    const wasUncertain = isSaveUncertain;
    isSaveUncertain = true;
    const saved = await alerting.store.save([...changed, ...superseded], clock.now());
    const fresh = wasUncertain ? await alerting.store.byId(changed.map((g) => g.alert.id)) : saved;
    isSaveUncertain = false;
    grouper.confirm();
    return { fresh, replaced };
  };

  return {
    async start() {
      const anchors = (await alerting.store.grouped(0)).flatMap((g) => g.anchor ?? []);
      grouper = createGrouper({ ownerOf, anchors });
      // A crash between storing and offering must not swallow a message; offering again is harmless. Asked before
      // anything is stored now.
      const recent = await alerting.store.storedSince(clock.now() - offerAgainMs);
      // A crash between an event and its alert leaves the alert to be found here; old news is stored, not told.
      const { fresh } = await save(await detection.start());
      const news = detection.watermark() - newsMs;
      const toTell = [...recent];
      // A backlog may be days old when a crash comes between a record and its alert.
      for (const a of fresh) if (Date.parse(a.last) >= news || (await isJustIn(a))) toTell.push(a);
      await alerting.dispatcher.offer(toTell.filter(isLive));
    },
    async round(stopping) {
      const found = [...troubles.keys(), ...(await detection.poll())];
      const { fresh, replaced } = await save(found);
      for (const signal of found) {
        troubles.get(signal)?.();
        troubles.delete(signal);
      }
      untold = [...untold, ...fresh.filter(isLive)];
      handedOver = [...handedOver, ...replaced];
      await alerting.dispatcher.replace(handedOver);
      handedOver = [];
      await alerting.dispatcher.offer(untold);
      untold = [];
      grouper.settle(detection.watermark());
      await alerting.dispatcher.tick(stopping);
    },
    trouble: (trouble) =>
      new Promise((resolve) => void troubles.set(troubleSignal(trouble, clock.now()), resolve)),
  };
}

/** What a restart finds in older events than this is history: a change of rules must not send it as news. */
const newsMs = 24 * 3_600_000;

/** A restart looks this far back for alerts nobody was told of: longer than any restart loop takes to notice. */
const offerAgainMs = 3_600_000;

const troubleTitles = {
  gap: 'Records were lost before they were read',
  epoch: 'A stream began anew',
  broken: 'The stored log contradicts what was signed',
  breach: 'The store does not account for every record',
  quarantine: 'Records could not be understood',
  fork: 'A witness remembers another history of this log',
  anchor: 'A witness does not cosign',
  away: 'Nothing new is read',
  unsigned: 'What is stored cannot be signed or anchored',
} as const;

const witnessAdvice =
  'Ask whoever runs the witness; `/healthz` says how it answers. The log goes on, signed and in the anchor file.';
const awayAdvice = 'Nothing is lost while its retention lasts; `/healthz` says when it is read again.';
const verifyAdvice =
  'Run `keywitness verify`: it names what is stored, what is proved, and the first bad offset.';

const troubleLevels = {
  gap: 'critical',
  epoch: 'critical',
  broken: 'critical',
  breach: 'critical',
  // What could not be read may hide an act, and is mostly a new version of a system.
  quarantine: 'medium',
  fork: 'critical',
  // Nothing is wrong with the log, but what happens to it now is remembered by one less.
  anchor: 'high',
  away: 'high',
  // What is stored from now on could be changed unseen.
  unsigned: 'critical',
} as const;

const troubleAdvice: Readonly<Partial<Record<Trouble['kind'], string>>> = {
  anchor: witnessAdvice,
  away: awayAdvice,
  unsigned:
    'Make room or put the rights back as the message says; the next heartbeat signs what was stored meanwhile.',
};

/** What it is about, in three widths: the group of its alerts, a name for people, and the one occasion. */
function subjectOf(trouble: Trouble): readonly [string, string, string] {
  if ('anchor' in trouble) return [trouble.anchor, trouble.anchor, trouble.anchor];
  if ('fault' in trouble) return [trouble.fault, trouble.fault, `${trouble.fault}/${trouble.since}`];
  return [placeOf(trouble.key), trouble.key.stream, `${placeOf(trouble.key)}/${trouble.key.epoch}`];
}

function troubleSignal(trouble: Trouble, now: number): Signal {
  const { kind, sentence } = trouble;
  const [group, name, id] = subjectOf(trouble);
  return {
    id: `keywitness.${kind}:${id}:${sentence}`,
    kind: 'rule',
    rule: `keywitness.${kind}`,
    title: troubleTitles[kind],
    level: troubleLevels[kind],
    advice: troubleAdvice[kind] ?? verifyAdvice,
    group,
    first: now,
    last: now,
    time: now,
    identity: '',
    identityName: name,
    secret: '',
    secrets: [],
    srcIps: [],
    sessions: [],
    events: [],
    requests: [],
    eventsTotal: 0,
    unusual: { seen: 1, sentence },
    explained: [],
  };
}

function placeOf({ stream, partition }: StreamKey): string {
  return `${stream}/${partition}`;
}
