import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { growing, newWorld, offsetOf, old, removeWorld } from './retentionWorld.ts';

afterAll(removeWorld);

let dir: string;
beforeAll(async () => {
  dir = await newWorld();
}, 60_000);

function keywitness(...words: string[]) {
  const args = ['--import', 'tsx', join(packageRoot, 'src/main.ts'), ...words];
  const env = { ...process.env, KEYWITNESS_DATA: join(dir, 'data') };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  const rows = stdout
    .split('\n')
    .flatMap((l) => (l === '' ? [] : [JSON.parse(l) as Record<string, unknown>]));
  return { status, stderr, rows };
}

/** The period whose end lies in the middle of October 2025, whatever the day is. */
const keep = `${Math.floor((Date.now() - Date.parse('2025-10-15T00:00:00Z')) / 86_400_000)}d`;
const approved = ['--approver', 'ana', '--approver', 'ben'];

describe('keywitness retention, hold and erase', () => {
  it('need to be told for how long, by whom and why', () => {
    expect(keywitness('retention', 'plan')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--keep'),
    });
    const once = ['--approver', 'ana', '--approver', 'Ana'];
    expect(keywitness('retention', 'apply', '--keep', keep, ...once)).toMatchObject({ status: 2 });
    const event = `old.ndjson/0/0/${offsetOf(old, 5)}`;
    expect(keywitness('erase', event, '--basis', 'GDPR 17')).toMatchObject({ status: 2 });
    expect(keywitness('erase', event, ...approved)).toMatchObject({ status: 2 });
    expect(keywitness('verify', '--json').rows.at(-1)).toMatchObject({ exit: 0 });
  }, 120_000);

  it('plan, hold, refuse, release, drop and erase, with the codes that scripts rely on', () => {
    const config = join(dir, 'keywitness.yaml');
    writeFileSync(config, `data: ./data\nretention: { keep: ${keep} }\n`);
    const row = {
      month: '202509',
      state: 'goes',
      records: 370,
      events: 370,
      set_aside: 0,
      hits: 0,
      holds: [],
      trees: [
        { tree: 'audit.ndjson/0/0', from: 0, count: 300, first: '0', last: `${offsetOf(growing, 299)}` },
        { tree: 'old.ndjson/0/0', from: 0, count: 70, first: '0', last: `${offsetOf(old, 69)}` },
      ],
    };
    const planned = keywitness('retention', 'plan', '--config', config);
    expect([planned.status, planned.rows]).toMatchObject([0, [row]]);

    const hold = ['--by', 'ana', '--reason', 'case 7'];
    expect(keywitness('hold', 'add', '--id', 'case-7', '--stream', 'old.ndjson', ...hold)).toMatchObject({
      status: 0,
      rows: [{ id: 'case-7', act: 'add', scope: { stream: 'old.ndjson' }, records: 70, months: ['202509'] }],
    });
    expect(keywitness('hold', 'list').rows).toMatchObject([{ id: 'case-7', by: 'ana', reason: 'case 7' }]);
    expect(keywitness('retention', 'apply', '--config', config, ...approved)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('KW_HELD'),
      rows: [{ month: '202509', state: 'held', holds: [{ id: 'case-7', records: 70 }] }],
    });
    const event = `old.ndjson/0/0/${offsetOf(old, 5)}`;
    const ground = ['--basis', 'GDPR 17', ...approved];
    expect(keywitness('erase', event, ...ground)).toMatchObject({ status: 1 });
    expect(keywitness('hold', 'release', 'case-7', ...hold)).toMatchObject({ status: 0 });
    expect(keywitness('hold', 'list').rows).toEqual([]);
    expect(keywitness('verify', '--json').rows.at(-1)).toMatchObject({ exit: 0 });

    expect(keywitness('retention', 'apply', '--config', config, ...approved)).toMatchObject({
      status: 0,
      rows: [{ ...row, state: 'dropped' }],
    });
    expect(keywitness('erase', event, ...ground)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('KW_EVENT_GONE'),
    });
    const left = `audit.ndjson/0/0/${offsetOf(growing, 310)}`;
    expect(keywitness('erase', left)).toMatchObject({
      status: 0,
      rows: [{ kind: 'record' }, { kind: 'copy' }],
    });
    expect(keywitness('erase', left, ...ground)).toMatchObject({
      status: 0,
      rows: [
        { kind: 'record' },
        { kind: 'erased', event: left, index: 310, before: false },
        { kind: 'copy' },
      ],
    });
    expect(keywitness('verify', '--json')).toMatchObject({ status: 4 });
  }, 240_000);
});
