import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BundleEntry, writeBundleKeys, writeBundleTree } from '../../src/ledger/bundle.ts';
import { readLines } from '../../src/ledger/offline/files.ts';
import { readKeys } from '../../src/ledger/offline/trust.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import { readPolicy } from '../../src/ledger/policy.ts';
import { attacks } from '../campaign/bundleAttacks.ts';
import {
  type Files,
  filesOf,
  leafOf,
  metaHashes,
  metaOriginOf,
  noteOf,
  originOf,
  randomOf,
  type ToyLog,
  vkeyOf,
  witnessName,
  writeFiles,
} from '../campaign/toyBundle.ts';
import { makeLog, type ToyHistory } from '../campaign/toyLog.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-bundle-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain: ToyHistory = {
  hasRollover: false,
  hasRoot: false,
  hasRetention: false,
  hasErasure: false,
  hasHold: false,
  hasGap: false,
  endsAtRollover: false,
  records: 600,
};
const logOf = (history: Partial<ToyHistory> = {}) => makeLog(randomOf(7), { ...plain, ...history }, 'seed');
const verdictOf = (files: Files, trust = {}) => {
  const path = join(folder, 'bundle');
  writeFiles(path, files);
  return verifyOffline(path, trust);
};
const policyOf = (log: ToyLog) => ({
  policy: readPolicy(
    Buffer.from(
      `log ${vkeyOf(metaOriginOf(log), log.keys[0] as ToyLog['witness'])}\nwitness W ${vkeyOf(witnessName, log.witness, 4)}\nquorum W\n`,
    ),
    'policy',
  ),
});

describe('a bundle made by others from the page', () => {
  it('is intact: several tiles, keys rolled over, offsets with holes, a gap that the log admits', () => {
    const log = logOf({ hasRollover: true, hasRoot: true, hasGap: true });
    const result = verdictOf(filesOf(log), policyOf(log));
    expect(result).toMatchObject({ verdict: 'intact', findings: [{ class: 'gap' }] });
  });

  it('is intact at the moment of a rollover, when two keys sign and each signature holds', () => {
    const log = logOf({ endsAtRollover: true });
    expect(verdictOf(filesOf(log)).verdict).toBe('intact');
    const [before, after] = log.metaCheckpoint.keys as [ToyLog['witness'], ToyLog['witness']];
    for (const keys of [[after], [log.witness, after]]) {
      expect(verdictOf(filesOf({ ...log, metaCheckpoint: { ...log.metaCheckpoint, keys } })).verdict).toBe(
        'tampered',
      );
    }
    const files = filesOf(log);
    const path = 'trees/meta/checkpoint';
    const note = (files.get(path) as Buffer).toString();
    const other = noteOf(metaOriginOf(log), 1, log.metaCheckpoint.root, [before, after]);
    // The second signature is one of the same key, of another text.
    const lines = note.split('\n');
    lines[5] = other.split('\n')[5] as string;
    files.set(path, Buffer.from(lines.join('\n')));
    expect(verdictOf(files)).toMatchObject({ verdict: 'tampered', findings: [{ class: 'forged' }] });
  });

  it('is expired, no more, after retention and erasure', () => {
    const result = verdictOf(filesOf(logOf({ hasRetention: true, hasErasure: true })));
    expect(result.verdict).toBe('expired');
    expect(result.findings.map((f) => f.class).sort()).toEqual(['erased-lawful', 'expired-lawful']);
  });

  it('may leave out whole entry bundles of what expired, as C2SP tlog-tiles allows', () => {
    const log = logOf({ hasRetention: true });
    const stream = log.streams[0] as ToyLog['streams'][number];
    const files = filesOf(log);
    const isGone = stream.leaves.slice(0, 256).every((l) => l.text === undefined);
    const pruned = 'trees/main.vault-audit.0.0/tile/entries/000';
    expect(files.delete(pruned)).toBe(true);
    expect(verdictOf(files).verdict).toBe(isGone ? 'expired' : 'tampered');
  });
});

describe('what happened is told by its class', () => {
  const classOf = (name: string) => {
    const log = logOf({ records: 40, hasRollover: true });
    const attacked = attacks[name]?.(log, randomOf(5));
    const { verdict, findings } = verdictOf(attacked?.files as Files, policyOf(log));
    return [verdict, findings.map((f) => f.class)];
  };
  it.each([
    ['record changed', 'tampered', 'modified'],
    ['record line deleted', 'tampered', 'deleted'],
    ['record inserted', 'tampered', 'inserted'],
    ['record deleted from the tree', 'tampered', 'rewritten'],
    ['two records exchanged', 'tampered', 'reordered'],
    ['end of the records cut', 'truncated', 'truncated'],
    ['a whole tree taken away', 'truncated', 'truncated'],
    ['tree rolled back to a checkpoint that was true', 'truncated', 'rolled-back'],
    ['checkpoint of a stream signed again with the stolen key', 'tampered', 'forked'],
    ['the end cut off and the log gone on, with the stolen key', 'tampered', 'rewritten'],
    ['a record of another stream slipped in with the stolen key', 'tampered', 'inserted'],
    ['signature changed', 'tampered', 'forged'],
    ['an old stream signed with a newer key', 'tampered', 'wrong-key'],
    ['erased without a word', 'tampered', 'deleted'],
    ['a time set back with the stolen key', 'tampered', 'back-dated'],
    ['the whole history rewritten with the stolen key', 'unknown', 'no-quorum'],
  ])('%s: %s, %s', (name, verdict, cls) => {
    const [seen, classes] = classOf(name);
    expect(seen).toBe(verdict);
    expect(classes).toContain(cls);
  });
});

describe('a bundle of which the meta-log is not whole', () => {
  it('still says whether each stream leads to its own checkpoint', () => {
    const log = logOf({ records: 40 });
    const [stream] = log.streams as [ToyLog['streams'][number]];
    const cut = (files: Files) => {
      const path = `trees/meta/tile/entries/000.p/${log.meta.length}`;
      files.set(path, (files.get(path) as Buffer).subarray(0, -20));
      return files;
    };
    expect(verdictOf(cut(filesOf(log)))).toMatchObject({ verdict: 'truncated' });
    const { size, root, key } = stream.checkpoint;
    stream.leaves[7] = leafOf(stream, stream.leaves[7]?.offset ?? 0n, Buffer.from('another record'), 0);
    stream.checkpoint = { size, root, key };
    const result = verdictOf(cut(filesOf(log)));
    expect(result).toMatchObject({
      verdict: 'tampered',
      findings: [{ class: 'rewritten' }, { class: 'truncated' }],
    });
  });
});

describe('what is written is what others read', () => {
  const entriesOf = (log: ToyLog): Map<string, BundleEntry[]> =>
    new Map([
      [
        metaOriginOf(log),
        log.meta.map((text, i) => ({ leaf: metaHashes(log)[i] as Buffer, text: Buffer.from(text) })),
      ],
      ...log.streams.map((s): [string, BundleEntry[]] => [
        originOf(log, s),
        s.leaves.map(({ hash, text, raw }) => ({
          leaf: hash,
          text: text === undefined ? text : Buffer.from(text),
          raw,
        })),
      ]),
    ]);

  async function write(out: string, log: ToyLog): Promise<void> {
    writeBundleKeys(
      out,
      log.keys.map((k) => vkeyOf(metaOriginOf(log), k)),
    );
    const trees = [
      { origin: metaOriginOf(log), ...log.metaCheckpoint },
      ...log.streams.map((s) => ({ origin: originOf(log, s), ...s.checkpoint, keys: [s.checkpoint.key] })),
    ];
    for (const { origin, size, root, keys } of trees) {
      const note = noteOf(origin, size, root, keys);
      const entries = entriesOf(log).get(origin) ?? [];
      await writeBundleTree(out, { checkpoint: { origin, size, root }, note, entries });
    }
  }

  it('byte for byte, with lawful holes', async () => {
    const log = logOf({ hasRollover: true, hasRetention: true, hasErasure: true });
    log.metaCheckpoint.isWitnessed = false;
    const out = join(folder, 'written');
    await write(out, log);
    const expected = filesOf(log);
    expected.delete('keys.txt');
    for (const [path, bytes] of expected) {
      expect(readFileSync(join(out, path)).equals(bytes), path).toBe(true);
    }
    const written = readdirSync(out, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
    expect(written).toHaveLength(expected.size + 1);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    expect(verifyOffline(out).verdict).toBe('expired');
  });

  it('or is refused when the entries do not lead to the checkpoint', async () => {
    const log = logOf({ records: 20 });
    const [stream] = log.streams as [ToyLog['streams'][number]];
    stream.leaves[3] = {
      ...(stream.leaves[3] as ToyLog['streams'][number]['leaves'][number]),
      hash: Buffer.alloc(32),
    };
    await expect(write(join(folder, 'refused'), log)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
    const short = logOf({ records: 20 });
    (short.streams[0] as ToyLog['streams'][number]).leaves.pop();
    await expect(write(join(folder, 'short'), short)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });
});

describe('whom the reader trusts', () => {
  const log = logOf({ records: 20, hasRollover: true, hasRoot: true });
  const metaOrigin = metaOriginOf(log);
  const pins = (...vkeys: string[]) => ({ keys: readKeys(vkeys.join('\n')) });
  const [first, second, third] = log.keys as [ToyLog['witness'], ToyLog['witness'], ToyLog['witness']];

  it('the oldest key leads to the newest through the log’s own endorsements, the root’s too', () => {
    for (const key of [first, second, third]) {
      expect(verdictOf(filesOf(log), pins(vkeyOf(metaOrigin, key))).verdict).toBe(
        // The root was registered before the second key came: that key alone says nothing about the root.
        key === second ? 'tampered' : 'intact',
      );
    }
  });

  it('another key under the log’s name is tampering, keys of other logs say nothing', () => {
    expect(verdictOf(filesOf(log), pins(vkeyOf(metaOrigin, log.witness))).verdict).toBe('tampered');
    expect(verdictOf(filesOf(log), pins(vkeyOf('example.com/log', first))).verdict).toBe('unknown');
  });

  it('without any key nothing can be said', () => {
    const files = filesOf(log);
    files.delete('keys.txt');
    expect(verdictOf(files).verdict).toBe('unknown');
  });

  it('a policy asks for the witness', () => {
    expect(verdictOf(filesOf(log), policyOf(log)).verdict).toBe('intact');
    const alone = logOf({ records: 20, hasRollover: true, hasRoot: true });
    alone.metaCheckpoint.isWitnessed = false;
    expect(verdictOf(filesOf(alone), policyOf(alone))).toMatchObject({
      verdict: 'unknown',
      findings: [{ class: 'no-quorum' }],
    });
  });
});

describe('a file of records', () => {
  it('is read line by line, and a line that is too long is counted and not kept', () => {
    const path = join(folder, 'lines');
    writeFileSync(path, `one\n${'x'.repeat(3_000_000)}\n\nlast`);
    const lines = [...readLines(path, 1000)].map((l) => [l.bytes?.toString(), l.isWhole]);
    expect(lines).toEqual([
      ['one', true],
      [undefined, true],
      ['', true],
      ['last', false],
    ]);
    cpSync(path, join(folder, 'copy'));
    expect([...readLines(join(folder, 'copy'), 5_000_000)][1]?.bytes?.length).toBe(3_000_000);
    expect([...readLines(join(folder, 'none'), 10)]).toEqual([]);
  });
});
