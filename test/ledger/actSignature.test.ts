import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamKey } from '../../src/core/record.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import type { LedgerStore } from '../../src/ledger/ports.ts';
import { memoryStore } from '../support/memoryLedger.ts';

const key: StreamKey = { stream: 'main.audit', partition: 0, epoch: 0 };
const release = [
  ['id', 'case-7'],
  ['act', 'release'],
  ['by', 'Ada'],
  ['reason', 'settled'],
] as const;

let dir: string;
let time = 0;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kw-acts-'));
  time = Date.parse('2026-07-01T00:00:00Z');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const open = async (store: LedgerStore) =>
  Ledger.open({
    store,
    keys: await openKeys(join(dir, 'data'), {}),
    anchorFile: join(dir, 'data.anchor'),
    clock: { now: () => time, sleep: async () => undefined },
  });

/** As whoever may INSERT writes it: the leaf that would come next, in the right form. */
const forged = (index: number, kind: string, ...lines: string[]) => ({
  index,
  kind,
  made_at: time,
  text: Buffer.from(
    `${['keywitness-meta/v1', `kind ${kind}`, `time ${new Date(time).toISOString()}`, ...lines].join('\n')}\n`,
  ),
});

describe('an act that no key signed', () => {
  it.each([
    ['hold', ['id case-7', 'act release', 'by Ada', 'reason settled']],
    [
      'erasure',
      [
        'tree main.audit/0/0',
        'offset 4',
        'index 4',
        `leaf ${'a'.repeat(64)}`,
        'basis x',
        'approver Ada',
        'approver Ben',
      ],
    ],
    [
      'retention',
      [
        'month 202507',
        'tree main.audit/0/0',
        'from 0',
        'count 9',
        'first 0',
        'last 8',
        `root ${'A'.repeat(43)}=`,
        'policy keep 12m',
        'approver Ada',
        'approver Ben',
        'holds 0',
      ],
    ],
  ] as const)('is not signed by the next start as if it were ours: %s', async (kind, lines) => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.start();
    await ledger.stop();
    const before = state.meta.length;
    for (const signature of [[], [`signature ${'A'.repeat(86)}==`]]) {
      state.meta.splice(before, 9, forged(before, kind, ...lines, ...signature));
      await expect(open(store)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
    }
    // Nor behind a start that was made up as well.
    state.meta.splice(before, 9, forged(before, 'start'), forged(before + 1, kind, ...lines));
    await expect(open(store)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });

  it('is not taken for ours at another place either, nor while the log runs', async () => {
    const { state, store } = memoryStore(key);
    const ledger = await open(store);
    await ledger.start();
    await ledger.record('hold', release);
    await ledger.heartbeat();
    const [own] = state.meta.filter((m) => m.kind === 'hold');
    state.failNext = 'before';
    await expect(ledger.record('gap', [])).rejects.toThrow('refused');
    state.meta.push({ ...(own as (typeof state.meta)[number]), index: state.meta.length });
    for (let again = 0; again < 2; again += 1)
      await expect(ledger.heartbeat()).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
    await ledger.abandon();
    await expect(open(store)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });
});

it('an act of ours that a crash left before its heartbeat is signed by the next start, whatever the clock did', async () => {
  const { state, store } = memoryStore(key);
  const ledger = await open(store);
  await ledger.start();
  time -= 60_000;
  await ledger.record('hold', release);
  await ledger.abandon();
  expect(String(state.meta.at(-1)?.text)).toContain('clock 2026-07-01T00:00:00.000Z\nid case-7\n');
  const next = await open(store);
  await next.start();
  await next.stop();
  expect(state.meta.map((m) => m.kind)).toEqual(['start', 'hold', 'start', 'stop']);
});
