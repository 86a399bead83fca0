import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-keys-cli-'));
const data = join(folder, 'data');
const at = (name: string) => join(folder, name);

/** One command line in this process. */
async function run(...args: string[]) {
  let out = '';
  let err = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += String(text);
      return true;
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      err += String(text);
      return true;
    }),
  ];
  try {
    const code = await runCli([...args, '--data', data]);
    const rows = out.split('\n').filter((line) => line !== '');
    return { code, rows: rows.map((line) => JSON.parse(line) as Record<string, unknown>), err };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

beforeAll(async () => {
  const log = gunzipSync(
    readFileSync(join(packageRoot, 'src/demo/openbao-audit-2026q3.ndjson.gz')),
  ).toString();
  writeFileSync(at('audit.ndjson'), `${log.split('\n').slice(0, 20).join('\n')}\n`);
  expect((await run('ingest', at('audit.ndjson'))).code).toBe(0);
}, 120_000);
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('keys', { timeout: 60_000 }, () => {
  it('rotate prints the new vkey; list has both with the leaves they sign for; verify is intact', async () => {
    const first = await run('keys', 'list');
    expect(first.rows).toHaveLength(1);
    expect(first.rows[0]).toMatchObject({
      kind: 'key',
      from: 0,
      to: null,
      until: null,
      by: 'first',
      days: 0,
    });
    const rotated = await run('keys', 'rotate');
    const [row] = rotated.rows;
    expect(row).toMatchObject({ before: first.rows[0]?.vkey, by: 'previous', resumed: false });
    expect(row?.vkey).toMatch(/^keywitness\/[0-9a-f]{16}\/meta\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/);
    const leaf = Number(row?.leaf);
    const { rows } = await run('keys', 'list');
    expect(rows.map((r) => [r.vkey, r.from, r.to, r.until === null])).toEqual([
      [row?.before, 0, leaf, false],
      [row?.vkey, leaf + 1, null, true],
    ]);
    expect((await run('verify')).code).toBe(0);
    expect((await run('ingest', at('audit.ndjson'))).code).toBe(0);
    expect((await run('verify')).code).toBe(0);
  });

  it('list says when the key is older than 90 days, and not on the 90th', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const began = Date.parse(String((await run('keys', 'list')).rows.at(-1)?.since));
    vi.setSystemTime(began + 91 * 86_400_000 - 1);
    expect((await run('keys', 'list')).err).not.toContain('keys rotate');
    vi.setSystemTime(began + 91 * 86_400_000);
    const old = await run('keys', 'list');
    expect(old.rows.at(-1)).toMatchObject({ days: 91 });
    expect(old.err).toContain('91 days: `keywitness keys rotate`');
  });

  it('recover refuses while no root is registered; root makes one, encrypted once a passphrase is given', async () => {
    writeFileSync(at('none.pem'), readFileSync(join(data, 'ledger/signing-key.pem')), { mode: 0o600 });
    expect((await run('keys', 'recover', '--root', at('none.pem'))).code).toBe(4);
    vi.stubEnv('KEYWITNESS_ROOT_PASSPHRASE', 'correct horse');
    const made = await run('keys', 'root', '--out', at('root.pem'));
    expect(made).toMatchObject({ code: 0, rows: [{ file: at('root.pem') }] });
    expect(made.err).not.toContain('not encrypted');
    expect(readFileSync(at('root.pem'), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    expect(statSync(at('root.pem')).mode & 0o777).toBe(0o600);
    expect((await run('keys', 'root', '--out', at('root.pem'))).rows).toEqual(made.rows);
    const other = await run('keys', 'root', '--out', at('other.pem'));
    expect(other.code).toBe(4);
    expect(other.err).toContain('a log has one');
    expect(existsSync(at('other.pem'))).toBe(false);
    expect((await run('keys', 'list')).rows.at(-1)).toMatchObject({ kind: 'root', vkey: made.rows[0]?.root });
    const report = await run('verify');
    expect(report.code).toBe(0);
    expect(String(report.rows.at(-1)?.notes)).toContain(`offline root registered`);
  });

  it('recover names another key when the signing key is gone, and only with the root and its passphrase', async () => {
    rmSync(join(data, 'ledger/signing-key.pem'));
    const blocked = await run('keys', 'rotate');
    expect(blocked).toMatchObject({ code: 4, rows: [] });
    expect(blocked.err).toContain('keys recover');
    expect((await run('keys', 'recover', '--root', at('root.pem'))).code).toBe(4);
    expect((await run('keys', 'recover', '--root', at('absent.pem'))).code).toBe(4);
    vi.stubEnv('KEYWITNESS_ROOT_PASSPHRASE', 'correct horse');
    const recovered = await run('keys', 'recover', '--root', at('root.pem'));
    expect(recovered).toMatchObject({ code: 0, rows: [{ by: 'root', resumed: false }] });
    const report = await run('verify');
    expect(report.code).toBe(0);
    expect(String(report.rows.at(-1)?.notes)).not.toContain('no signed checkpoint');
    expect((await run('ingest', at('audit.ndjson'))).code).toBe(0);
    expect((await run('verify')).code).toBe(0);
  });

  it('says who holds the data directory, and that there is no store, before any key is made', async () => {
    writeFileSync(
      join(data, 'lock'),
      JSON.stringify({ pid: process.ppid, started: startedAt(process.ppid) }),
    );
    const held = await run('keys', 'rotate');
    expect(held.code).toBe(4);
    expect(held.err).toContain(`Process ${process.ppid} holds`);
    rmSync(join(data, 'lock'));
    expect(existsSync(join(data, 'ledger/signing-key.next.pem'))).toBe(false);
    chmodSync(join(data, 'ledger/signing-key.pem'), 0o644);
    expect((await run('keys', 'rotate')).err).toContain('chmod 600');
    chmodSync(join(data, 'ledger/signing-key.pem'), 0o600);
  });
});

/** Field 22 of /proc/PID/stat. */
function startedAt(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
