import { streamKeyText } from '../../core/record.ts';
import { parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import { canName, leafHashOfText } from '../leaf.ts';
import { heartbeatIntervalMs } from '../ledger.ts';
import { type MetaLeaf, metaValue, parseMeta } from '../meta.ts';
import { type BoundFrom, parseBinding } from '../settings.ts';
import { appendLeaf, emptyFrontier } from '../tree.ts';
import type { Finding } from './findings.ts';
import { isMet, type Pin, type PinBook, pinWalk } from './pins.ts';

/** Three missed heartbeats: one may be late, two may be a slow store. */
const staleAfterMs = 3 * heartbeatIntervalMs;

export interface MetaAudit {
  readonly findings: Finding[];
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  /** The last word that is signed is a `stop` leaf: no record came after it lawfully. */
  readonly isStopped: boolean;
  readonly longestSilenceMs: number;
  readonly notes: string[];
}

interface MetaRow {
  readonly index: number;
  readonly kind: string;
  readonly made_at: number;
  readonly text: Buffer;
}
type MetaPages = AsyncIterable<readonly MetaRow[]>;

/** Derives the meta tree again, and collects what its leaves pin and how each tree's records are read. */
export async function auditMeta(
  pages: MetaPages,
  pins: readonly Pin[],
  book: PinBook,
  now: number,
  onLeaf: (index: number, leaf: MetaLeaf | undefined) => void = () => {},
): Promise<MetaAudit> {
  const walk = metaWalk(pins);
  const bindings = bindingWatch(book);
  const signedSize = pins.at(-1)?.size ?? 0;
  const silence = silenceWatch();
  const gaps: Finding[] = [];
  for await (const page of pages) {
    for (const row of page) {
      walk.see(row.index, row.text);
      const leaf = parseMeta(row.text);
      onLeaf(row.index, leaf);
      const isWhole = leaf !== undefined && leaf.kind === row.kind && leaf.time === row.made_at;
      if (leaf === undefined || !isWhole || !bindings.see(leaf)) {
        walk.findings.push(atIndex('modified', row.index, 'this leaf of the meta-log is not one'));
      }
      // Whoever can only INSERT can still add a leaf that nobody signed: it must not pass for a sign of life.
      if (leaf !== undefined) silence.see(leaf, walk.size() <= signedSize);
      if (leaf?.kind === 'gap' && walk.size() <= signedSize) gaps.push(gapOf(leaf));
    }
  }
  const findings = [...walk.end(), ...silence.end(now), ...gaps];
  return { findings, bindings: bindings.known, notes: silence.notes, ...silence.figures() };
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
    /** False when the leaf cannot be one that we wrote. */
    see(leaf: MetaLeaf): boolean {
      for (const [name, value] of leaf.lines) {
        if (name !== 'stream') continue;
        const pin = parseCheckpoint(`${value.replaceAll(' ', '\n')}\n`);
        const key = pin && parseStreamOrigin(pin.origin);
        if (pin === undefined || key === undefined) return false;
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

function metaWalk(pins: readonly Pin[]) {
  const frontier = emptyFrontier();
  const pinAt = pinWalk(pins);
  const findings: Finding[] = [];
  let good = 0;
  let broken: Pin | undefined;
  let next = 0;
  return {
    findings,
    size: () => frontier.size,
    see(index: number, text: Buffer): void {
      if (index < next) findings.push(atIndex('inserted', index, 'this index of the meta-log comes twice'));
      if (index > next) findings.push(atIndex('deleted', next, 'leaves of the meta-log are gone'));
      next = index + 1;
      appendLeaf(frontier, leafHashOfText(text));
      const pin = pinAt(frontier);
      if (pin === undefined || broken !== undefined) return;
      if (isMet(pin, frontier)) good = pin.size;
      else broken = pin;
    },
    end(): Finding[] {
      const newest = pins.at(-1);
      if (broken?.conflict !== undefined) {
        findings.push(
          atIndex('rewritten', good, 'the store signs another meta-log than the one remembered outside it'),
        );
      } else if (broken !== undefined && findings.length === 0) {
        findings.push(
          atIndex('modified', good, `the meta-log differs from what was signed before index ${broken.size}`),
        );
      } else if (newest !== undefined && newest.size > frontier.size) {
        const detail = `${frontier.size} of ${newest.size} leaves of the meta-log are left`;
        findings.push(atIndex('rolled-back', frontier.size, detail));
      }
      return findings;
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
      if (last !== undefined && leaf.time < last.time) {
        notes.push(`the clock went back from ${iso(last.time)} to ${iso(leaf.time)}`);
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
