import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { AnchorFile, readAnchor } from '../../src/ledger/anchors/file.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { readIdentity } from '../../src/ledger/keys.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { lockDataDir } from '../../src/store/lock.ts';

/** Two sittings over a file of ten lines: an anchor of seven lines. */
const folder = mkdtempSync(join(tmpdir(), 'keywitness-torn-'));
const base = join(folder, 'base');
const input = join(folder, 'audit.ndjson');
const line = (id: number) =>
  `{"time":"2026-02-03T09:00:00Z","type":"response","auth":{},"request":{"id":"r${id}","operation":"read","path":"secret/data/a"}}`;
let anchor: Buffer;

async function sitting(dataDir: string, lines: number): Promise<void> {
  writeFileSync(input, `${Array.from({ length: lines }, (_, i) => line(i)).join('\n')}\n`);
  const app = await openApp({
    dataDir,
    anchorFile: `${dataDir}.anchor`,
    clock: systemClock,
    openStore: () => openEmbedded(join(dataDir, 'store')),
  });
  await app.ingestFile(input, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
  await app.close();
}

beforeAll(async () => {
  await sitting(base, 5);
  await sitting(base, 10);
  anchor = readFileSync(`${base}.anchor`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where the anchor may be cut: at every byte, with the whole lines before it. */
function cuts(): { at: number; whole: number; isTorn: boolean }[] {
  return Array.from({ length: anchor.length + 1 }, (_, at) => {
    const head = anchor.subarray(0, at);
    const whole = head.filter((byte) => byte === 0x0a).length;
    // What a line lacks but its end is whole.
    const isEnded = at === 0 || head[at - 1] === 0x0a;
    const isWhole = !isEnded && anchor[at] === 0x0a;
    return { at, whole: whole + (isWhole ? 1 : 0), isTorn: !isEnded && !isWhole };
  });
}

describe('an anchor file that is cut', () => {
  it('is not read as one that holds nothing when it cannot be read', async () => {
    await expect(readAnchor(folder, '0123456789abcdef').next()).rejects.toThrow('KW_INPUT');
  });

  it('at any byte: every whole line is read, the torn one is told, nothing is taken for a forgery', async () => {
    const { logId } = readIdentity(base) ?? { logId: '' };
    const lines = anchor.toString('utf8').trimEnd().split('\n');
    expect(lines.length).toBe(7);
    const path = join(folder, 'cut.anchor');
    for (const { at, whole, isTorn } of cuts()) {
      writeFileSync(path, anchor.subarray(0, at));
      const kinds: string[] = [];
      for await (const entry of readAnchor(path, logId)) kinds.push(entry.kind);
      const expected = lines
        .slice(0, whole)
        .map((l) => (l.startsWith(`${logId} key `) ? 'key' : 'checkpoint'));
      expect(kinds, `cut after ${at}`).toEqual([...expected, ...(isTorn ? ['unreadable'] : [])]);
    }
  });

  // What `verify` and a start know of the file is what was read above: one cut of each kind is enough.
  it('verify says what is missing, and never that somebody changed something', async () => {
    const engine = await openEmbedded(join(base, 'store'));
    try {
      const path = join(folder, 'verify.anchor');
      const seen = new Set<string>();
      for (const { at, whole, isTorn } of cuts()) {
        if (seen.has(`${whole} ${isTorn}`)) continue;
        seen.add(`${whole} ${isTorn}`);
        writeFileSync(path, anchor.subarray(0, at));
        const report = await verifyStore({ engine, dataDir: base, anchorFile: path, now: Date.now() });
        // The key is no checkpoint: without one, nobody outside remembers anything.
        expect([report.exit, report.findings.map((f) => f.class)], `cut after ${at}`).toEqual(
          whole < 2 ? [3, ['no-anchor']] : [0, []],
        );
        expect(report.notes.some((n) => n.includes('1 lines') && n.includes('cannot be read'))).toBe(isTorn);
        // Lines that are missing whole: the store's own checkpoints know better.
        const isBehind = report.notes.some((n) => n.includes('its last lines are missing'));
        expect(isBehind, `cut after ${at}`).toBe(whole >= 2 && whole < 7);
      }
      expect(seen.size).toBe(15);
    } finally {
      await engine.close();
    }
  });

  it.each([0, 30, -40])('a start goes on after a cut at %d', async (cut) => {
    const dataDir = join(folder, `cut${cut}`);
    cpSync(base, dataDir, { recursive: true });
    writeFileSync(`${dataDir}.anchor`, anchor.subarray(0, cut < 0 ? anchor.length + cut : cut));
    await sitting(dataDir, 12);
    const engine = await openEmbedded(join(dataDir, 'store'));
    try {
      const report = await verifyStore({
        engine,
        dataDir,
        anchorFile: `${dataDir}.anchor`,
        now: Date.now(),
      });
      expect([report.exit, report.findings]).toEqual([0, []]);
    } finally {
      await engine.close();
    }
  });
});

/** How large a file this process may write; undefined = as large as it likes. Linux only. */
function limitFiles(bytes?: number): boolean {
  const limit = `--fsize=${bytes ?? 'unlimited'}:unlimited`;
  return spawnSync('prlimit', ['--pid', String(process.pid), limit]).status === 0;
}

describe('an anchor file whose disk is full', () => {
  it.skipIf(!limitFiles())(
    'says so, and what is acknowledged before and afterwards stands on lines of its own',
    async () => {
      const { logId } = readIdentity(base) ?? { logId: '' };
      const [, ...lines] = anchor.toString('utf8').trimEnd().split('\n');
      const path = join(folder, 'full.anchor');
      const file = await AnchorFile.open(path);
      const acknowledged: string[] = [];
      const append = async (line: string) => {
        await file.append([`${line}\n`]);
        acknowledged.push(line);
      };
      try {
        // Room for one line and a part of the next.
        limitFiles((lines[0]?.length ?? 0) + 100);
        await append(lines[0] ?? '');
        for (const line of lines.slice(1, 3)) {
          await expect(append(line)).rejects.toThrow(/^KW_ANCHOR: .*full\.anchor: EFBIG/);
        }
      } finally {
        limitFiles();
      }
      await append(lines[3] ?? '');
      await append(lines[4] ?? '');
      await file.close();
      const kinds: string[] = [];
      for await (const entry of readAnchor(path, logId)) kinds.push(entry.kind);
      expect(kinds).toEqual(['checkpoint', 'unreadable', 'checkpoint', 'checkpoint']);
      const written = readFileSync(path, 'utf8').split('\n');
      expect(acknowledged.filter((line) => written.includes(line))).toEqual(acknowledged);
    },
  );

  it('is refused at the start when it may not be written', async () => {
    await expect(AnchorFile.open(join(folder, 'nowhere', 'anchor'))).rejects.toThrow(/^KW_ANCHOR: .*ENOENT/);
    const full = '/dev/full';
    if (!existsSync(full)) return;
    const file = await AnchorFile.open(full);
    await expect(file.append(['line\n'])).rejects.toThrow(/^KW_ANCHOR: .*ENOSPC/);
    await file.close();
  });
});

describe('other files that are cut at any byte', () => {
  it('log.txt: nobody signs, with a message that names the file', async () => {
    const dataDir = join(folder, 'identity');
    cpSync(base, dataDir, { recursive: true });
    const path = join(dataDir, 'ledger/log.txt');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(path, whole.subarray(0, at));
      expect(() => readIdentity(dataDir), `cut after ${at}`).toThrow(/KW_KEY.*log\.txt/s);
      await expect((async () => openKeys(dataDir, {}))(), `cut after ${at}`).rejects.toThrow(
        /KW_KEY.*log\.txt/s,
      );
    }
  });

  it('a kept checkpoint: verify says that it is cut, and never that somebody changed something', async () => {
    const engine = await openEmbedded(join(base, 'store'));
    try {
      const [row] = await engine.rows("SELECT note FROM kw.checkpoints WHERE origin LIKE '%/meta' LIMIT 1");
      const note = String(row?.note);
      const verify = (since: string) =>
        verifyStore({ engine, dataDir: base, anchorFile: `${base}.anchor`, now: Date.now(), since });
      expect((await verify(note)).exit).toBe(0);
      // Every seventh byte, and each of the last.
      for (let at = 0; at < note.length; at += at < note.length - 10 ? 7 : 1) {
        await expect(verify(note.slice(0, at)), `cut after ${at}`).rejects.toThrow(/KW_USAGE/);
      }
    } finally {
      await engine.close();
    }
  });

  it('the lock of a process that is no more: it is taken over', () => {
    const dataDir = join(folder, 'locked');
    mkdirSync(dataDir);
    const release = lockDataDir(dataDir);
    const whole = readFileSync(join(dataDir, 'lock'));
    release();
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(join(dataDir, 'lock'), whole.subarray(0, at));
      lockDataDir(dataDir)();
    }
  });
});

describe('a first start that was killed between its writes', () => {
  const files = ['signing-key.next.pem', 'log.txt', 'signing-key.pem'];
  it.each([
    ['the key is made', ['signing-key.next.pem']],
    ['the log is named', ['signing-key.next.pem', 'log.txt']],
    ['all is written', ['signing-key.pem', 'log.txt']],
  ])('%s: the next start has a key and signs', async (what, left) => {
    const dataDir = join(folder, what.replaceAll(' ', '-'));
    await openKeys(dataDir, {});
    const ledger = join(dataDir, 'ledger');
    cpSync(join(ledger, 'signing-key.pem'), join(ledger, 'signing-key.next.pem'));
    for (const file of files) if (!left.includes(file)) rmSync(join(ledger, file));
    const keys = await openKeys(dataDir, {});
    expect(keys.lost).toBeUndefined();
    expect(readIdentity(dataDir)?.publicKey.equals(keys.publicKey)).toBe(true);
    await expect(keys.sign(Buffer.from('text'))).resolves.toHaveLength(64);
  });
});
