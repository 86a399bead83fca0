import type { Clock } from '../core/clock.ts';
import type { StreamKey } from '../core/record.ts';
import { controlTopic, type Group, type Membership } from '../intake/membership.ts';
import type { Fence } from '../pipeline.ts';
import { claimNumber, fenceCondition, type Place, requireClaims, saveClaims } from '../store/claims.ts';
import type { Engine } from '../store/client.ts';
import type { LogFence } from '../store/metaAppend.ts';
import { type ControlMessage, controlText, parseControl } from './controlMessage.ts';

export interface SeatOptions {
  readonly engine: Engine;
  /** The cluster's name in stream names. */
  readonly cluster: string;
  /** LOGID. */
  readonly log: string;
  /** Who we are in claims: for people. */
  readonly instance: string;
  readonly clock: Clock;
  /** The control partition is ours: whoever holds it keeps the log. Called again when it was claimed anew. */
  readonly onControl: () => void;
  /** It no longer is. */
  readonly onControlLost: () => void;
  /** Messages for whoever keeps the log: we do. Rejects to be given them again. */
  readonly onMessages: (messages: readonly ControlMessage[]) => Promise<void>;
  /** Everything read is stored, and the group is about to be left. */
  readonly onLeaving: () => Promise<void>;
}

type Said = Extract<ControlMessage, { kind: 'leaf' | 'trouble' }>;

/** The place of this instance among those that share the store: what it has claimed, and under which number. */
export interface Seat extends Membership {
  /** Number of the newest claim of partitions. */
  writer(): bigint;
  /** A tree of a partition that is ours, or of no topic at all. */
  isOurs(key: StreamKey): boolean;
  readonly fence: Fence;
  readonly logFence: LogFence;
  /** Claims the control partition. */
  claimControl(): Promise<void>;
  /** Tells whoever keeps the log. Resolves when the control topic has it. */
  say(what: Pick<Said, 'kind'> & Record<string, unknown>): Promise<void>;
  /** How many instances are members; high watermarks: as the group says. */
  group(): Group;
}

/** The control partition, as a place of claims: no cluster can have this name. */
const controlPlace: Place = { stream: controlTopic, partition: 0 };

export function createSeat(options: SeatOptions): Seat {
  const { engine, cluster, log, instance, clock } = options;
  let places: readonly Place[] = [];
  let writer = 0n;
  let controlWriter = 0n;
  let isControl = false;
  let claim: Promise<void> | undefined;
  let group: Group | undefined;

  const current = (): Group => {
    if (group === undefined) throw new Error('no group was joined yet');
    return group;
  };
  const append = (message: Record<string, unknown>) =>
    current().append(controlText({ log, instance, ...message } as ControlMessage));
  // Also of a partition that was taken from us: the fence is there for those.
  const isOfTopic = ({ stream }: StreamKey) => stream.startsWith(`${cluster}.`);
  const isPlaceOf = ({ stream, partition }: StreamKey) =>
    places.some((p) => p.stream === stream && p.partition === partition);

  /** Numbered by the control topic, known to the store before anything is written under the number. */
  const claimNow = async (wanted: readonly Place[], taken: (number: bigint) => void): Promise<void> => {
    const partitions = wanted.map((p) => `${p.stream}/${p.partition}`);
    const offset = await append({ kind: 'claim', partitions });
    const number = await claimNumber(engine, wanted, offset);
    taken(number.writer);
    const row = { ...number, instance, claimed_at: clock.now() };
    await saveClaims(
      engine,
      wanted.map((place) => ({ ...place, ...row })),
    );
  };
  const claimPlaces = async (): Promise<void> => {
    const wanted = places;
    if (wanted.length === 0) return;
    await claimNow(wanted, (number) => {
      // Another assignment came meanwhile: this number is nobody's, and must not stand above the next.
      if (places !== wanted) throw new Error('the assignment has changed');
      writer = number;
    });
  };

  return {
    joined(assigned, hasControl, joinedGroup) {
      places = assigned.map(({ topic, partition }) => ({ stream: `${cluster}.${topic}`, partition }));
      claim = undefined;
      group = joinedGroup;
      const hadControl = isControl;
      isControl = hasControl;
      if (hasControl) options.onControl();
      else if (hadControl) options.onControlLost();
    },
    claimed() {
      claim ??= claimPlaces().catch((error: unknown) => {
        claim = undefined;
        throw error;
      });
      return claim;
    },
    reclaim() {
      claim = undefined;
    },
    async receive(values) {
      const ours = values.flatMap((value) => {
        const message = parseControl(value);
        return message === undefined || message.log !== log || message.kind === 'claim' ? [] : [message];
      });
      if (ours.length > 0) await options.onMessages(ours);
    },
    leaving: options.onLeaving,
    writer: () => writer,
    isOurs: (key) => isPlaceOf(key) || !isOfTopic(key),
    fence: {
      condition(keys, number) {
        const fenced = keys.filter(isOfTopic);
        return fenced.length === 0 ? undefined : fenceCondition(fenced, number);
      },
      confirm: (keys, number) => requireClaims(engine, keys.filter(isOfTopic), number),
    },
    logFence: {
      condition: () => fenceCondition([controlPlace], controlWriter),
      confirm: () => requireClaims(engine, [controlPlace], controlWriter),
    },
    claimControl: () =>
      claimNow([controlPlace], (number) => {
        controlWriter = number;
      }),
    async say(what) {
      await append(what);
    },
    group: current,
  };
}
