import { leafHashOfText } from '../leaf.ts';
import { heartbeatIntervalMs } from '../ledger.ts';
import { type MetaLeaf, metaValue, parseMeta } from '../meta.ts';
import { strictBase64 } from '../note.ts';
import { type BoundFrom, parseBinding } from '../settings.ts';
import { appendLeaf, emptyFrontier } from '../tree.ts';
import type { Finding } from './findings.ts';
import { isMet, type Pin, type PinBook, pinWalk } from './pins.ts';

/** Three missed heartbeats: one may be late, two may be a slow store. */
const staleAfterMs = 3 * heartbeatIntervalMs;

export interface MetaAudit {
  readonly findings: Finding[];
  readonly bindings: ReadonlyMap<string, readonly BoundFrom[]>;
  readonly size: number;
  readonly longestSilenceMs: number;
  readonly lastTime: number;
  readonly notes: string[];
}

type MetaPages = AsyncIterable<readonly { readonly index: number; readonly text: Buffer }[]>;

/** Derives the meta tree again, and collects what its leaves pin and how each tree's records are read. */
export async function auditMeta(
  pages: MetaPages,
  pins: readonly Pin[],
  book: PinBook,
  now: number,
): Promise<MetaAudit> {
  const walk = metaWalk(pins);
  const bindings = new Map<string, BoundFrom[]>();
  const silence = silenceWatch();
  for await (const page of pages) {
    for (const { index, text } of page) {
      walk.see(index, text);
      const leaf = parseMeta(text);
      if (leaf === undefined) {
        walk.findings.push(atIndex('modified', index, 'this leaf of the meta-log is not one'));
        continue;
      }
      silence.see(leaf);
      const binding = parseBinding(leaf);
      if (binding) bindings.set(binding.tree, [...(bindings.get(binding.tree) ?? []), binding]);
      addPins(leaf, book);
    }
  }
  const findings = [...walk.end(), ...silence.end(now)];
  return { findings, bindings, size: walk.size(), notes: silence.notes, ...silence.figures() };
}

function addPins(leaf: MetaLeaf, book: PinBook): void {
  for (const [name, value] of leaf.lines) {
    if (name !== 'stream') continue;
    const [origin, size, root] = value.split(' ') as [string, string, string];
    const bytes = strictBase64(root ?? '');
    if (bytes !== undefined) book.add({ origin, size: Number(size), root: bytes }, 'store');
  }
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
  let longestSilenceMs = 0;
  return {
    notes,
    see(leaf: MetaLeaf): void {
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
    },
    figures: () => ({ longestSilenceMs, lastTime: last?.time ?? 0 }),
    end(now: number): Finding[] {
      if (last === undefined || last.kind === 'stop' || now - last.time <= staleAfterMs) return [];
      const detail = `no stop leaf, and the last word is of ${iso(last.time)}: a crash that was not followed by a start, or a cut tail`;
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
