import { describe, expect, it } from 'vitest';
import type { StreamKey } from '../../src/core/record.ts';
import { signedLines } from '../../src/ledger/actSignature.ts';
import { createLawWatch } from '../../src/ledger/audit/lawful.ts';
import { erasureLines } from '../../src/ledger/erasure.ts';
import { type HoldScope, holdLines } from '../../src/ledger/hold.ts';
import type { MetaKind, MetaLine } from '../../src/ledger/meta.ts';
import { localSigner } from '../../src/ledger/note.ts';
import { type ExpiredRange, retentionLines } from '../../src/ledger/retention.ts';
import { keyOf } from '../campaign/toyBundle.ts';

const logId = '0123456789abcdef';
const key = keyOf('one');
const range: ExpiredRange = {
  tree: 'main.audit/0/0',
  month: '202601',
  from: 0,
  count: 100,
  first: 0n,
  last: 99n,
  root: Buffer.alloc(32, 1),
  policy: 'keep 12m',
  approvers: ['Ada', 'Grace'],
  holds: 0,
};
const stream: StreamKey = { stream: 'main.audit', partition: 0, epoch: 0 };
const erased = {
  offset: 5n,
  index: 5,
  leaf: Buffer.alloc(32, 2),
  basis: 'GDPR 17',
  approvers: ['Ada', 'Grace'],
};

/** A log that says these things one after another; what it says of the last. */
async function saying(acts: readonly [MetaKind, readonly MetaLine[]][], signer = key) {
  const watch = createLawWatch(logId, () => key.publicKey);
  let said: string | undefined;
  for (const [index, [kind, lines]] of acts.entries()) {
    const signed = await signedLines({ logId, index }, kind, lines, localSigner(signer.privateKey));
    said = watch.see(index, { kind, time: index, lines: signed });
  }
  return { said, watch };
}
const retention = (change: Partial<ExpiredRange> = {}): [MetaKind, readonly MetaLine[]] => [
  'retention',
  retentionLines({ ...range, ...change }, 'ops'),
];
const hold = (act: 'add' | 'release', scope: HoldScope = {}): [MetaKind, readonly MetaLine[]] => [
  'hold',
  holdLines({ id: 'h', act, scope, by: 'Ada', reason: 'x' }),
];
const erasure = (change: Partial<typeof erased> = {}): [MetaKind, readonly MetaLine[]] => [
  'erasure',
  erasureLines(stream, { ...erased, ...change }, 'ops'),
];

describe('what lets evidence go', () => {
  it('is a signed leaf with two approvers while no hold is in force', async () => {
    const { said, watch } = await saying([hold('add'), hold('release'), retention(), erasure()]);
    expect(said).toBeUndefined();
    expect(watch.expired.get('main.audit/0/0')).toMatchObject([{ count: 100 }]);
    expect(watch.erased.get('main.audit/0/0')?.get(5n)).toMatchObject({ index: 5 });
  });

  it.each([
    ['one approver', [retention({ approvers: ['Ada'] })]],
    ['the same approver twice', [retention({ approvers: ['Ada', 'ADA'] })]],
    ['three of them', [retention({ approvers: ['Ada', 'Grace', 'Edith'] })]],
    ['a hold over everything', [hold('add'), retention({ holds: 1 })]],
    ['a hold over the stream', [hold('add', { stream: 'main.audit' }), retention({ holds: 1 })]],
    ['a hold that nobody looked at', [hold('add', { stream: 'other' }), retention()]],
    ['leaves that another one lets go', [retention(), retention({ from: 50 })]],
    ['an erasure with one approver', [erasure({ approvers: ['Ada', ' ada '] })]],
    ['an erasure under a hold', [hold('add'), erasure()]],
  ] as const)('is nothing with %s', async (_, acts) => {
    const { said, watch } = await saying(acts);
    expect(said).toBeDefined();
    expect([...watch.expired.values()].flat().length + watch.erased.size).toBe(
      acts.length > 1 && acts[0]?.[0] === 'retention' ? 1 : 0,
    );
  });

  it('is nothing without the signature of the key in force, for its own place', async () => {
    expect((await saying([retention()], keyOf('two'))).said).toMatch(/not signed/);
    const watch = createLawWatch(logId, () => key.publicKey);
    const lines = await signedLines(
      { logId, index: 3 },
      'retention',
      retention()[1],
      localSigner(key.privateKey),
    );
    expect(watch.see(4, { kind: 'retention', time: 0, lines })).toMatch(/not signed/);
    expect(watch.see(3, { kind: 'retention', time: 0, lines })).toBeUndefined();
    // A crash between leaf and drop: the same again is no second one.
    expect(watch.expired.get('main.audit/0/0')).toHaveLength(1);
  });

  it('is not judged by a hold whose reach can no longer be told, when its writer looked', async () => {
    const { said } = await saying([hold('add', { secret: 'kv/*' }), retention({ holds: 1 })]);
    expect(said).toBeUndefined();
  });
});
