import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';

interface Ran {
  readonly code: number;
  readonly rows: Record<string, unknown>[];
  readonly err: string;
}

/** One command line in this process; `input` stands in a file, as a test's own stdin is not ours to replace. */
async function run(args: readonly string[], input?: string): Promise<Ran> {
  let out = '';
  let err = '';
  const taking = (add: (text: string) => void) => (text: unknown) => {
    add(String(text));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(taking((text) => (out += text))),
    vi.spyOn(process.stderr, 'write').mockImplementation(taking((text) => (err += text))),
  ];
  if (input !== undefined) writeFileSync(at('input.ndjson'), input);
  try {
    const code = await runCli(['rules', ...args, ...(input === undefined ? [] : [at('input.ndjson')])]);
    const lines = out.split('\n').filter((text) => text !== '');
    return { code, rows: lines.map((text) => JSON.parse(text) as Record<string, unknown>), err };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

const ids = ['0e95725d-7320-415d-80f7-004da920fc11', '0e95725d-7320-415d-80f7-004da920fc12'];
const rule = (extra = '') => `title: Denied
id: ${ids[0]}
name: denied
level: high
logsource: {product: vault, service: audit}
detection: {s: {type: response, error|contains: permission denied}, condition: s}
${extra}`;
const many = `title: Many
id: ${ids[1]}
level: critical
correlation:
  type: event_count
  rules: [denied]
  group-by: [request.remote_address]
  timespan: 1m
  condition: {gte: 2}
`;
const line = (time: string, type = 'response', error?: string) =>
  JSON.stringify({
    time,
    type,
    auth: { display_name: 'ana', entity_id: 'e', policies: ['default'] },
    request: {
      id: time,
      operation: 'read',
      path: 'prod/data/x',
      mount_type: 'kv',
      remote_address: '10.0.0.1',
    },
    ...(type === 'response' ? { response: {} } : {}),
    ...(error ? { error } : {}),
  });
const denied = (time: string) => line(time, 'response', 'permission denied');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kw-rules-'));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write('denied.yml', rule());
  write('many.yml', many);
  write(
    'broken.yml',
    'title: B\nlogsource: {product: vault}\ndetection:\n  s: {a|nope: x}\n  condition: s\n',
  );
  write(
    'tested.yml',
    rule(
      `tests: [{match: true, event: ${denied('2026-01-01T00:00:00Z')}}, {match: false, event: ${line('2026-01-01T00:00:00Z')}}]`,
    ),
  );
  write('untested.yml', rule(`tests: [{match: true, event: ${line('2026-01-01T00:00:00Z')}}]`));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('rules lint', () => {
  it('prints one object a diagnostic with the contract’s keys, and exits 1 on an error', async () => {
    const { code, rows } = await run(['lint', '--json', at('broken.yml'), at('denied.yml')]);
    expect(code).toBe(1);
    expect(rows).toEqual([
      {
        file: at('broken.yml'),
        line: 4,
        column: 7,
        severity: 'error',
        check: 'modifier',
        message: "unknown modifier 'nope'",
      },
    ]);
    expect(Object.keys(rows[0] ?? {})).toEqual(['file', 'line', 'column', 'severity', 'check', 'message']);
  });

  it('knows rules in other files of the same call', async () => {
    expect(await run(['lint', '--json', at('many.yml'), at('denied.yml')])).toMatchObject({
      code: 0,
      rows: [],
    });
    expect((await run(['lint', '--json', at('many.yml')])).rows[0]).toMatchObject({ check: 'reference' });
  });

  it('exits 2 for a path that is not there', async () => {
    expect((await run(['lint', at('nothing.yml')])).code).toBe(2);
  });
});

describe('rules test', () => {
  it('exits 0 when every example is as it should be', async () => {
    const { code, rows } = await run(['test', at('tested.yml')]);
    expect([code, rows.map((r) => r.ok)]).toEqual([0, [true, true]]);
  });

  it('exits 1 for a wrong verdict and for a verdict without example', async () => {
    const { code, rows } = await run(['test', at('untested.yml')]);
    expect(code).toBe(1);
    expect(rows.map((r) => r.message)).toEqual(['no example with match: false', 'does not match']);
  });
});

describe('rules match', () => {
  const events = [
    line('2026-01-01T00:00:00Z', 'request'),
    denied('2026-01-01T00:00:01Z'),
    '',
    denied('2026-01-01T00:00:59Z'),
  ];

  it('names the event by its line, and finds the log source by itself', async () => {
    const { code, rows } = await run(['match', '--rules', at('denied.yml')], events.join('\n'));
    const hit = { rule: ids[0], title: 'Denied', level: 'high' };
    expect([code, rows]).toEqual([
      0,
      [
        { event: 1, ...hit },
        { event: 3, ...hit },
      ],
    ]);
  });

  it('gives correlations with the lines that made them fire; the rule below is silent', async () => {
    const args = ['match', '--rules', at('denied.yml'), '--rules', at('many.yml')];
    const { rows } = await run(args, events.join('\n'));
    expect(rows).toEqual([{ events: [1, 3], rule: ids[1], title: 'Many', level: 'critical' }]);
  });

  it('orders events by their time, whatever the order of the lines', async () => {
    const args = ['match', '--rules', at('denied.yml'), '--rules', at('many.yml')];
    const lines = [
      denied('2026-01-01T00:05:00Z'),
      denied('2026-01-01T00:00:30Z'),
      denied('2026-01-01T00:00:01Z'),
    ];
    expect((await run(args, lines.join('\n'))).rows[0]).toMatchObject({ events: [2, 1] });
  });

  it.each([
    ['a time without a zone is UTC', ['2026-01-01 00:00:05', '2026-01-01T00:00:35Z']],
    ['microseconds', [1_767_225_605_000_000, 1_767_225_635_000_000]],
    ['nanoseconds as a text, and seconds', ['1767225605000000000', 1_767_225_635]],
  ])('two events 30 s apart: %s', async (_what, times) => {
    const before = process.env.TZ;
    process.env.TZ = 'America/New_York';
    const lines = times.map((timestamp) =>
      JSON.stringify({
        type: 'response',
        error: 'permission denied',
        request: { remote_address: 'a' },
        timestamp,
      }),
    );
    const given = ['--product', 'vault', '--service', 'audit'];
    const args = ['match', '--rules', at('denied.yml'), '--rules', at('many.yml'), ...given];
    try {
      expect((await run(args, lines.join('\n'))).rows).toMatchObject([{ events: [0, 1], title: 'Many' }]);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it('takes a given log source at its word', async () => {
    const raw = JSON.stringify({ type: 'response', error: 'permission denied', timestamp: 5 });
    const match = (...args: string[]) => run(['match', '--rules', at('denied.yml'), ...args], raw);
    expect((await match()).rows).toEqual([]);
    expect((await match('--product', 'vault')).rows).toEqual([]);
    expect((await match('--product', 'vault', '--service', 'audit')).rows).toHaveLength(1);
  });

  it('says on stderr which file does not load, and matches with the others', async () => {
    const { code, rows, err } = await run(
      ['match', '--rules', folder.concat('/broken.yml'), '--rules', at('denied.yml')],
      denied('2026-01-01T00:00:01Z'),
    );
    expect([code, rows.length]).toEqual([0, 1]);
    expect(err).toContain('broken.yml:4:7');
  });

  it('reads a first line with a byte order mark, and lines that end in CR LF', async () => {
    const lines = `\ufeff${denied('2026-01-01T00:00:01Z')}\r\n`;
    const { code, rows } = await run(['match', '--rules', at('denied.yml')], lines);
    expect([code, rows.map((r) => r.event)]).toEqual([0, [0]]);
  });

  it('leaves out a line that is no JSON, says so and exits 2', async () => {
    const { code, rows, err } = await run(
      ['match', '--rules', at('denied.yml')],
      `{oops\n${denied('2026-01-01T00:00:01Z')}`,
    );
    expect([code, rows[0]?.event]).toEqual([2, 1]);
    expect(err).toContain('line 1');
  });

  it('exits 2 for a file that is not there', async () => {
    expect((await run(['match', '--rules', at('denied.yml'), at('none.ndjson')])).code).toBe(2);
  });

  it('reads standard input', async () => {
    const argv = [
      '--import',
      'tsx',
      join(packageRoot, 'src/main.ts'),
      'rules',
      'match',
      '--rules',
      at('denied.yml'),
    ];
    const out = await new Promise<string>((resolve) => {
      const child = execFile(process.execPath, argv, { cwd: packageRoot }, (_error, stdout) =>
        resolve(stdout),
      );
      child.stdin?.end(events.join('\n'));
    });
    expect(out.trim().split('\n')).toHaveLength(2);
  }, 60_000);
});
