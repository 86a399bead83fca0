import { metaTree, streamKeyText } from '../../core/record.ts';
import { type Checkpoint, parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import { canName, leafHashOfText } from '../leaf.ts';
import { heartbeatIntervalMs } from '../ledger.ts';
import { listedStreams, type MetaLeaf, metaValue, parseMeta } from '../meta.ts';
import { type BoundFrom, parseBinding } from '../settings.ts';
import type { AuditStore, MetaLeafRow } from './auditStore.ts';
import type { Base } from './base.ts';
import type { Finding } from './findings.ts';
import type { KeyAudit } from './keys.ts';
import { createLawWatch, type LawfulActs } from './lawful.ts';
import { type OutsideTime, timeWatch } from './metaTimes.ts';
import type { Pin, PinBook } from './pins.ts';
import type { Place, TreeRow } from './rows.ts';
import { auditTiles } from './tileAudit.ts';
import { createTreeAudit, type TreeAudit, type TreeOutcome } from './tree.ts';
import { tileLeaves } from './treeRun.ts';
import { fromNothing, type TreeStart } from './treeState.ts';

/** Three missed heartbeats: one may be late, two may be a slow store. */
const staleAfterMs = 3 * heartbeatIntervalMs;

export interface MetaAudit {
  readonly findings: Finding[];
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  /** What went by law. */
  readonly lawful: LawfulActs;
  /** The last word that is signed is a `stop` leaf: no record came after it lawfully. */
  readonly isStopped: boolean;
  readonly longestSilenceMs: number;
  readonly notes: string[];
}

export interface MetaAuditOptions {
  readonly store: AuditStore;
  readonly pins: readonly Pin[];
  readonly book: PinBook;
  /** Milliseconds. */
  readonly now: number;
  readonly outside: readonly OutsideTime[];
  readonly logId: string;
  readonly keys: Pick<KeyAudit, 'leaf' | 'keyAt'>;
  /** What stands before it was verified before. */
  readonly base: Base | undefined;
}

/** Derives the meta tree again, and collects what its leaves pin, how each tree's records are read, and what went by law. */
export async function auditMeta(options: MetaAuditOptions): Promise<MetaAudit> {
  const { store, pins, book, base } = options;
  const from = base?.meta.frontier.size ?? 0;
  const signedSize = pins.at(-1)?.size ?? 0;
  const bindings = bindingWatch(book);
  const silence = silenceWatch();
  const times = timeWatch(options.outside);
  const lawful = createLawWatch(options.logId, options.keys.keyAt);
  const checkpoints = checkpointWatch(pins);
  const findings: Finding[] = [];
  if (base !== undefined) {
    for (const { index, leaf } of base.leaves) {
      bindings.see(leaf, true);
      lawful.see(index, leaf);
    }
    bindings.pinned(base.pins);
    silence.see(base.last, true);
    times.see(from - 1, base.last);
  }
  let count = from;
  for await (const page of store.metaLeaves(from)) {
    for (const row of page) {
      count += 1;
      const leaf = parseMeta(row.text);
      options.keys.leaf(row.index, leaf);
      // Whoever can only INSERT can still add a leaf that nobody signed: it must not pass for a word of ours.
      const isSigned = signedSize === 0 || count <= signedSize;
      const isWhole = leaf !== undefined && leaf.kind === row.kind && leaf.time === row.made_at;
      if (!isWhole || !bindings.see(leaf, isSigned)) {
        findings.push(atIndex('modified', row.index, 'this leaf of the meta-log is not one'));
      }
      if (leaf === undefined) continue;
      checkpoints.see(row.index, leaf);
      silence.see(leaf, isSigned && signedSize > 0);
      if (!isSigned) continue;
      times.see(row.index, leaf);
      const why = lawful.see(row.index, leaf);
      if (why !== undefined) findings.push(allowsNothing(row.index, leaf, why));
      if (leaf.kind === 'gap') findings.push(gapOf(leaf));
    }
  }
  findings.push(
    ...(await auditMetaTree(store, pins, count, findings, base?.meta)),
    ...times.findings,
    ...silence.end(options.now),
  );
  return {
    findings,
    bindings: bindings.known,
    lawful,
    notes: [...silence.notes, ...times.notes, ...checkpoints.notes()],
    ...silence.figures(),
  };
}

/** The meta-log as a tree: a leaf's index is its offset. */
async function auditMetaTree(
  store: AuditStore,
  pins: readonly Pin[],
  stored: number,
  known: readonly Finding[],
  start: TreeStart = fromNothing,
): Promise<Finding[]> {
  const rows = async function* (after: Place): AsyncGenerator<TreeRow[]> {
    for await (const page of store.metaLeaves(Number(after.offset) + 1)) yield page.map(metaRow);
  };
  const source = {
    async *rows(after: Place) {
      for await (const page of rows(after)) yield* page;
    },
    async leaves(from: number, to: number) {
      const all: Buffer[] = [];
      for await (const leaves of tileLeaves(store, metaTree, from, to)) all.push(...leaves);
      return all;
    },
  };
  // A number a leaf, without holes: as in a partition of Kafka.
  const audit = createTreeAudit({ tree: 'meta', transport: 'kafka', pins, source, stored, start });
  const outcome = await drive(audit, rows, start.place);
  const { tiles, edge, size, pinned, isWhole } = outcome;
  const tileFindings = await auditTiles(store, 'meta', metaTree, {
    tiles,
    edge,
    size,
    pinned,
    from: start.frontier.size,
    isWhole,
  });
  const isKnown = (f: Finding) =>
    f.class === 'modified' && known.some((k) => k.class === f.class && k.offset === f.offset);
  return [...outcome.findings.map((f) => metaFinding(f, pinned)).filter((f) => !isKnown(f)), ...tileFindings];
}

async function drive(
  audit: TreeAudit,
  rows: (after: Place) => AsyncGenerator<TreeRow[]>,
  start: Place,
): Promise<TreeOutcome> {
  let place = start;
  for (;;) {
    let again: Place | undefined;
    for await (const page of rows(place)) {
      again = await audit.page(page);
      if (again !== undefined) break;
    }
    const end = again ?? (await audit.end(false));
    if ('findings' in end) return end;
    place = end;
  }
}

function metaRow({ index, text }: MetaLeafRow): TreeRow {
  const leaf = leafHashOfText(text);
  const offset = BigInt(index);
  return {
    offset,
    length: 0,
    leaf,
    derived: undefined,
    gone: undefined,
    isErased: false,
    record: () => undefined,
  };
}

/** A cut tail of the meta-log takes the whole log back; the first leaf that is gone is named. */
function metaFinding(finding: Finding, pinned: number): Finding {
  if (finding.class !== 'truncated') return finding;
  const left = (finding.offset ?? -1n) + 1n;
  return atIndex('rolled-back', Number(left), `${left} of ${pinned} leaves of the meta-log are left`);
}

/** Heartbeats whose signature the store or the anchor no longer has: a crash or trouble leaves few, and so does whoever removes them. */
function checkpointWatch(pins: readonly Pin[]) {
  const bySize = new Map(pins.map((p) => [p.size, p.roots]));
  let last: { readonly index: number; readonly leaf: MetaLeaf } | undefined;
  let expected = 0;
  let inStore = 0;
  let outside = 0;
  const settle = () => {
    if (last === undefined || !['start', 'heartbeat', 'stop'].includes(last.leaf.kind)) return;
    const roots = bySize.get(last.index + 1) ?? [];
    expected += 1;
    if (roots.some((r) => r.isInStore)) inStore += 1;
    if (roots.some((r) => r.isOutside)) outside += 1;
  };
  return {
    see(index: number, leaf: MetaLeaf): void {
      const isSame = last?.leaf.kind === leaf.kind && last.leaf.time === leaf.time;
      // A key that is lost cannot sign the `start` before its own replacement.
      const isRecovery = leaf.kind === 'key' && metaValue(leaf, 'by') === 'root';
      if (!isSame && !isRecovery) settle();
      last = { index, leaf };
    },
    notes(): string[] {
      settle();
      const missing = (found: number, where: string) =>
        found < expected && found > 0
          ? [`${expected - found} of ${expected} heartbeats have no signed checkpoint ${where} any more`]
          : [];
      return [...missing(inStore, 'in the store'), ...missing(outside, 'in the anchor')];
    },
  };
}

function allowsNothing(index: number, { kind }: MetaLeaf, why: string): Finding {
  return atIndex('modified', index, `this ${kind} leaf allows nothing: ${why}`);
}

/** A loss that was noticed and signed: listed, and no verdict against the log. */
function gapOf(leaf: MetaLeaf): Finding {
  const [tree = '', first = '', last] = ['tree', 'first', 'last'].map((name) => metaValue(leaf, name));
  const offset = /^\d{1,20}$/.test(first) ? { offset: BigInt(first) } : {};
  const detail = `the broker deleted offsets ${first} to ${last} before they were read`;
  return { class: 'gap', tree, ...offset, detail };
}

/**
 * Collects what leaves pin and how each tree's records are read. A `settings` leaf holds from where its tree
 * stands on: one that reaches back behind what is pinned would have signed records read in another way.
 */
function bindingWatch(book: PinBook) {
  const known = new Map<string, BoundFrom[]>();
  const pinnedSizes = new Map<string, number>();
  return {
    known,
    /** What was pinned up to where the audit begins. */
    pinned(pins: ReadonlyMap<string, Checkpoint>): void {
      for (const pin of pins.values()) {
        const key = parseStreamOrigin(pin.origin);
        if (key !== undefined) pinnedSizes.set(streamKeyText(key), pin.size);
      }
    },
    /** False when the leaf cannot be one that we wrote. What an unsigned one pins counts for nothing. */
    see(leaf: MetaLeaf, isSigned: boolean): boolean {
      for (const value of listedStreams(leaf)) {
        const pin = parseCheckpoint(`${value.replaceAll(' ', '\n')}\n`);
        const key = pin && parseStreamOrigin(pin.origin);
        if (pin === undefined || key === undefined) return false;
        if (!isSigned) continue;
        book.add(pin, 'store');
        pinnedSizes.set(streamKeyText(key), pin.size);
      }
      const binding = parseBinding(leaf);
      if (leaf.kind === 'settings' && binding === undefined) return false;
      if (binding === undefined) return true;
      const [stream = ''] = binding.tree.split('/');
      const isEarlier = binding.from < (pinnedSizes.get(binding.tree) ?? 0);
      if (isEarlier || !canName(stream, binding.transport)) return false;
      known.set(binding.tree, [...(known.get(binding.tree) ?? []), binding]);
      return true;
    },
  };
}

/** Between a start and a stop the log speaks every heartbeat; outside silence is lawful. */
function silenceWatch() {
  const notes: string[] = [];
  let last: MetaLeaf | undefined;
  let lastSigned: MetaLeaf | undefined;
  let longestSilenceMs = 0;
  return {
    notes,
    see(leaf: MetaLeaf, isSigned: boolean): void {
      if (last !== undefined && leaf.kind === 'start' && metaValue(leaf, 'after') === 'no-stop') {
        notes.push(
          `a run ended without a stop leaf after ${iso(last.time)}; the next began ${iso(leaf.time)}`,
        );
      }
      if (last !== undefined && leaf.kind !== 'start') {
        longestSilenceMs = Math.max(longestSilenceMs, leaf.time - last.time);
      }
      last = leaf;
      if (isSigned) lastSigned = leaf;
    },
    figures: () => ({ isStopped: lastSigned?.kind === 'stop', longestSilenceMs }),
    end(now: number): Finding[] {
      if (lastSigned === undefined || lastSigned.kind === 'stop') return [];
      if (now - lastSigned.time <= staleAfterMs) return [];
      const detail = `no stop leaf, and the last signed word is of ${iso(lastSigned.time)}: a crash that was not followed by a start, or a cut tail`;
      return [{ class: 'stale', tree: 'meta', detail }];
    },
  };
}

function atIndex(kind: Finding['class'], index: number, detail: string): Finding {
  return { class: kind, tree: 'meta', offset: BigInt(index), detail };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
