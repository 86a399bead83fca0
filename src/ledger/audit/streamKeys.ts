import { streamKeyText } from '../../core/record.ts';
import { type Checkpoint, parseStreamOrigin } from '../checkpoint.ts';
import { createListedSizes, type KeyHistory } from '../keyHistory.ts';
import type { MetaLeaf } from '../meta.ts';
import type { NoteVerifier } from '../note.ts';
import type { Finding } from './findings.ts';

interface Signed {
  readonly size: number;
  readonly where: string;
}

/**
 * Were the streams' checkpoints signed by the key in force at the heartbeat that lists them? A stream only grows,
 * so of each key its smallest and its largest checkpoint say it for all between: memory does not grow with the log.
 */
export function streamKeyWatch(history: KeyHistory) {
  const listed = createListedSizes();
  const signed = new Map<string, { min: Signed; max: Signed }[]>();
  // One key, the usual case: there is nothing to tell apart.
  const hasOne = () => history.eras().length === 1;
  return {
    leaf(index: number, leaf: MetaLeaf): void {
      if (hasOne() || (leaf.kind !== 'heartbeat' && leaf.kind !== 'stop')) return;
      for (const [name, value] of leaf.lines) {
        const [origin = '', size] = value.split(' ');
        if (name === 'stream') listed.list(origin, Number(size), history.eraAt(index));
      }
    },
    signed({ origin, size }: Checkpoint, by: readonly NoteVerifier[], where: string): void {
      if (hasOne()) return;
      const era = history.eras().findIndex((e) => by[0]?.publicKey.equals(e.publicKey));
      const eras = signed.get(origin) ?? [];
      signed.set(origin, eras);
      const range = eras[era];
      if (range === undefined) eras[era] = { min: { size, where }, max: { size, where } };
      else if (size < range.min.size) range.min = { size, where };
      else if (size > range.max.size) range.max = { size, where };
    },
    end(): Finding[] {
      return [...signed].flatMap(([origin, eras]) =>
        eras.flatMap(({ min, max }, era): Finding[] => {
          const wrong = [min, max].find((s) => !listed.allows(origin, s.size, era));
          if (wrong === undefined) return [];
          const key = parseStreamOrigin(origin);
          const detail = `${wrong.where} is signed by a key that was not in force there`;
          return [{ class: 'wrong-key', tree: key === undefined ? '' : streamKeyText(key), detail }];
        }),
      );
    },
  };
}
