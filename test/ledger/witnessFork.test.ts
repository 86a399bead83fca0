import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWitness } from '../../src/ledger/witness/identity.ts';
import { openKnownLogs } from '../../src/ledger/witness/logs.ts';
import { writeState } from '../../src/ledger/witness/state.ts';
import { createWitness } from '../../src/ledger/witness/witness.ts';
import { ed25519, requestBody, type ToyLog, toyLog } from '../support/toyLog.ts';

/**
 * One key, several histories: a thief of the log's key asks for whatever he likes, the witness is restarted and its
 * disk fails. Whatever it cosigned must be one history.
 */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-fork-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sizeMax = 8;

interface Ask {
  readonly kind: 'ask';
  readonly fork: number;
  /** The size the witness remembers, as a 409 would tell it; that of the checkpoint; or any other. */
  readonly old: number | 'told' | 'same';
  readonly size: number;
  /** The fork the proof is taken from; 'none' = no proof. */
  readonly proofOf: number | 'none' | 'own';
  /** How the disk behaves when the state is written. */
  readonly disk: 'good' | 'fails before' | 'fails after';
}
type Step = Ask | { readonly kind: 'restart' };

const size = fc.integer({ min: 0, max: sizeMax });
const fork = fc.integer({ min: 0, max: 2 });
const ask: fc.Arbitrary<Ask> = fc.record({
  kind: fc.constant('ask' as const),
  fork,
  old: fc.oneof(
    { weight: 3, arbitrary: fc.constant('told' as const) },
    { weight: 2, arbitrary: fc.constant('same' as const) },
    size,
  ),
  size,
  proofOf: fc.oneof(
    { weight: 4, arbitrary: fc.constant('own' as const) },
    fork,
    fc.constant('none' as const),
  ),
  disk: fc.oneof(
    { weight: 3, arbitrary: fc.constant('good' as const) },
    fc.constantFrom('fails before' as const, 'fails after' as const),
  ),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof({ weight: 6, arbitrary: ask }, fc.constant({ kind: 'restart' as const })),
  { minLength: 1, maxLength: 25 },
);

/** A state that was remembered in memory only would be cosigned when asked for again, and another after a restart. */
const forgotten: Step[] = [
  { kind: 'ask', fork: 1, old: 0, size: 4, proofOf: 'own', disk: 'fails before' },
  { kind: 'ask', fork: 1, old: 'same', size: 4, proofOf: 'own', disk: 'good' },
  { kind: 'restart' },
  { kind: 'ask', fork: 2, old: 0, size: 4, proofOf: 'own', disk: 'good' },
];

/** Three histories under one key; the second and third leave the first at these sizes. */
function histories(leaveAt: readonly number[], origin: string): ToyLog[] {
  const keys = ed25519();
  return [sizeMax, ...leaveAt].map((at, i) => {
    const log = toyLog(origin, keys);
    log.grow(...Array.from({ length: sizeMax }, (_, n) => (n < at ? `leaf ${n}` : `leaf ${n} of ${i}`)));
    return log;
  });
}

function run(name: string, logs: readonly ToyLog[], all: readonly Step[]) {
  const files = { key: join(folder, `${name}.pem`), state: join(folder, `${name}.state`) };
  writeFileSync(`${files.state}.keys`, `${logs[0]?.vkey}\n`);
  let disk: Ask['disk'] = 'good';
  const open = () => {
    const { cosigner, state } = openWitness(files, {});
    return createWitness({
      cosigner,
      state,
      logs: openKnownLogs(`${files.state}.keys`, () => undefined),
      now: () => 1_700_000_000_000,
      save(next) {
        if (disk === 'fails before') throw new Error('disk full');
        writeState(files.state, cosigner.verifier.publicKey, next);
        if (disk === 'fails after') throw new Error('the folder could not be written through');
      },
    });
  };
  let add = open();
  let told = 0;
  const cosigned: { log: ToyLog; size: number }[] = [];
  for (const step of all) {
    if (step.kind === 'restart') {
      add = open();
      continue;
    }
    const log = logs[step.fork] as ToyLog;
    const old = step.old === 'told' ? told : step.old === 'same' ? step.size : step.old;
    const from = step.proofOf === 'own' ? log : step.proofOf === 'none' ? undefined : logs[step.proofOf];
    const proof = old === 0 || old > step.size || from === undefined ? [] : from.proof(old, step.size);
    disk = step.disk;
    try {
      const answer = add(Buffer.from(requestBody(old, proof, log.checkpoint(step.size))));
      if (answer.status === 200) {
        told = step.size;
        cosigned.push({ log, size: step.size });
      } else if (answer.status === 409) told = answer.size;
    } catch (error) {
      expect(String(error)).toMatch(/disk full|written through/);
    }
  }
  return cosigned;
}

describe('a witness', () => {
  it('never cosigns two checkpoints of which one does not continue the other', { timeout: 120_000 }, () => {
    let count = 0;
    let grown = 0;
    fc.assert(
      fc.property(steps, fc.tuple(size, size), (all, leaveAt) => {
        count += 1;
        const cosigned = run(`w${count}`, histories(leaveAt, `example.com/log${count}`), all);
        for (const [i, later] of cosigned.entries()) {
          for (const earlier of cosigned.slice(0, i)) {
            // In the order they were given, and each within what came after it.
            expect(earlier.size).toBeLessThanOrEqual(later.size);
            expect(earlier.log.root(earlier.size).equals(later.log.root(earlier.size))).toBe(true);
          }
        }
        if (new Set(cosigned.map((c) => c.size)).size > 1) grown += 1;
      }),
      { numRuns: 300, examples: [[forgotten, [0, 0]]] },
    );
    // The law would hold of a witness that never cosigns.
    expect(grown).toBeGreaterThan(20);
  });
});
