import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-review-cli-'));
const data = join(folder, 'data');
const program = `${process.execPath} --import tsx src/main.ts`;

function keywitness(...args: string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], { encoding: 'utf8' });
}
const create = (period: string) =>
  keywitness('access', 'review', 'create', '--period', period, '--data', data);

beforeAll(() => {
  const { status, stderr } = keywitness(
    'ingest',
    '--data',
    data,
    '--source',
    'cloudtrail',
    'src/demo/cloudtrail.ndjson.gz',
  );
  expect(stderr + String(status)).toMatch(/0$/);
});

describe('access review create', () => {
  it('prints one line a file, makes the same bytes again, and verifies the log on the way', () => {
    const first = create('2023Q3');
    expect(first.status, first.stderr).toBe(0);
    const files = first.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; sha256: string });
    expect(files.map((f) => f.file)).toContain(join(data, 'reviews', '2023Q3', 'review.html'));
    expect(create('2023Q3').stdout).toBe(first.stdout);
    const review = JSON.parse(readFileSync(join(data, 'reviews', '2023Q3', 'review.json'), 'utf8'));
    expect(review.sections.completeness.rows).toMatchObject([
      { verdict: 'intact', records: 2900, events: 2900, disagreement: 'agree' },
    ]);
    expect(review.checkpoints.length).toBe(2);
    // Of 2,900 lines 60 were denied (the set's own README counts them): figures come from the lines.
    expect(review.figures.denied).toBe(60);
  });

  it('a command copied from the page into a shell gives the printed numbers', () => {
    const html = readFileSync(join(data, 'reviews', '2023Q3', 'review.html'), 'utf8');
    const review = JSON.parse(readFileSync(join(data, 'reviews', '2023Q3', 'review.json'), 'utf8'));
    const commands = [...html.matchAll(/<code>(keywitness query [\s\S]*?)<\/code>/g)].map((m) =>
      decoded(m[1] as string),
    );
    for (const [index, rows] of [
      [0, [review.figures]],
      [commands.findIndex((c) => c.includes('AS last_read_event')), review.sections['by-secret'].rows],
    ] as const) {
      const script = `keywitness() { ${program} "$@" --json --data '${data}'; }\n${commands[index]}`;
      const { stdout, stderr, status } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const printed = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(printed.length).toBe(rows.length);
      for (const [i, row] of printed.entries()) {
        if ('crown_jewel' in row) row.crown_jewel = Number(row.crown_jewel) === 1;
        expect(rows[i]).toMatchObject(row);
      }
    }
  });

  it('a period that cannot be read is exit 2, a directory without a store exit 4, both in one sentence', () => {
    const wrong = create('2023Q7');
    expect([wrong.status, wrong.stdout]).toEqual([2, '']);
    expect(wrong.stderr).toMatch(/^KW_USAGE: .*2023Q7/);
    const missing = keywitness(
      'access',
      'review',
      'create',
      '--period',
      '2023Q3',
      '--data',
      join(folder, 'none'),
    );
    expect(missing.status).toBe(4);
    expect(missing.stderr).toMatch(/^KW_DATA_MISSING/);
  });

  it('a period without any act says so', () => {
    const empty = create('2024Q1');
    expect(empty.status).toBe(0);
    expect(empty.stderr).toContain('The log has no act in 2024Q1.');
  });
});

function decoded(html: string): string {
  return html
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}
