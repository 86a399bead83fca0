import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { newestCheckpoint, proveEvent } from '../../src/ledger/audit/prove.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { verifyOffline } from '../../src/ledger/offline.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { rotateKeys } from '../../src/ledger/rotate.ts';
import type { Engine } from '../../src/store/client.ts';
import { openLedgerStore } from '../../src/store/ledgerStore.ts';
import { stoppingMachine, stoppingStore } from '../support/crashing.ts';
import {
  base,
  clock,
  ingest,
  now,
  offsetOf,
  remove,
  storeOf,
  tree,
  update,
  verifyAfter,
} from './tampering.ts';

/** Three keys one after another, records under each: `tree` has 20, 40 and 60 leaves at the ends of their times. */
const rolled = join(base, '../rolled');
const pem = (dir: string) => join(dir, 'data/ledger/signing-key.pem');
/** What a thief copied in time; the log destroys them. */
const privateKeys: KeyObject[] = [];
let logId: string;
/** Index of the two `key` leaves. */
let keyLeaves: number[];

const rotate = async (engine: Engine, dir: string) =>
  rotateKeys({
    store: openLedgerStore(engine),
    keys: await openKeys(join(dir, 'data'), {}),
    anchorFile: join(dir, 'data.anchor'),
    clock,
  });

beforeAll(async () => {
  for (const count of [20, 40, 60]) {
    await ingest(rolled, count);
    privateKeys.push(createPrivateKey(readFileSync(pem(rolled))));
    if (count === 60) break;
    const engine = await storeOf(rolled);
    await rotate(engine, rolled);
    await engine.close();
  }
  logId = (readIdentity(join(rolled, 'data')) as LogIdentity).logId;
  const engine = await storeOf(rolled);
  keyLeaves = (
    await engine.rows("SELECT toUInt32(index) AS i FROM kw.meta WHERE kind = 'key' ORDER BY i")
  ).map((r) => Number(r.i));
  await engine.close();
}, 120_000);

type Change = Parameters<typeof verifyAfter>[0];
const verifyRolled = (change: Change, since?: string, anchor?: (lines: string[]) => string[]) =>
  verifyAfter(change, since, anchor, rolled);
const classes = (report: { findings: readonly { class: string; tree: string; offset?: bigint }[] }) =>
  report.findings.map((f) => `${f.class} ${f.tree} ${f.offset ?? '-'}`);
const unchanged = async () => undefined;

const rawOf = (key: KeyObject) =>
  Buffer.from((createPublicKey(key).export({ format: 'jwk' }) as { x: string }).x, 'base64url');
const keyIdOf = (name: string, key: KeyObject) =>
  createHash('sha256').update(`${name}\n`).update(Buffer.of(1)).update(rawOf(key)).digest().subarray(0, 4);
/** Signature of a signed note: C2SP signed-note, type 1. */
const signatureOf = (text: string, key: KeyObject) =>
  Buffer.concat([keyIdOf(text.split('\n')[0] as string, key), sign(null, Buffer.from(text), key)]).toString(
    'base64',
  );
const noteOf = (text: string, key: KeyObject) =>
  `${text}\n— ${text.split('\n')[0]} ${signatureOf(text, key)}\n`;
const vkeyOf = (name: string, key: KeyObject) =>
  `${name}+${keyIdOf(name, key).toString('hex')}+${Buffer.concat([Buffer.of(1), rawOf(key)]).toString('base64')}`;

interface Signed {
  readonly origin: string;
  readonly size: number;
  readonly note: string;
}
async function checkpoints(engine: Engine, where: string): Promise<Signed[]> {
  const rows = await engine.rows(
    `SELECT origin, toUInt32(size) AS n, note FROM kw.checkpoints WHERE ${where} ORDER BY size`,
  );
  return rows.map((r) => ({ origin: String(r.origin), size: Number(r.n), note: String(r.note) }));
}
/** The same checkpoints signed by another key, in place of what was there. */
async function signAgain(engine: Engine, where: string, key: KeyObject): Promise<void> {
  for (const { origin, size, note } of await checkpoints(engine, where)) {
    const again = noteOf(note.slice(0, note.lastIndexOf('\n\n') + 1), key).replaceAll('\n', '\\n');
    await update(engine, 'kw.checkpoints', `note = '${again}'`, `origin = '${origin}' AND size = ${size}`);
  }
}
const insertKeyLeaf = (engine: Engine, lines: readonly string[]) =>
  engine.command(
    `INSERT INTO kw.meta SELECT max(index) + 1, 'key', fromUnixTimestamp64Milli(${now}), ` +
      `'${['keywitness-meta/v1', 'kind key', `time ${new Date(now).toISOString()}`, ...lines].join('\\n')}\\n' FROM kw.meta`,
  );
const metaSize = async (engine: Engine) =>
  Number((await engine.rows('SELECT toUInt32(count()) AS n FROM kw.meta'))[0]?.n);
const rolloverLines = (
  index: number,
  previous: KeyObject,
  next: KeyObject,
  by: string,
  endorser: KeyObject,
) => {
  const [p, n] = [previous, next].map((k) => rawOf(k).toString('base64'));
  const said = `keywitness-key/v1\n${logId}\n${index}\n${p}\n${n}\n`;
  return [
    `new ${n}`,
    `previous ${p}`,
    `by ${by}`,
    `signature ${sign(null, Buffer.from(said), endorser).toString('base64')}`,
  ];
};

describe('verify, after two rollovers', () => {
  it('is intact, and says how many keys there were', async () => {
    const report = await verifyRolled(unchanged);
    expect(classes(report)).toEqual([]);
    expect(report.exit).toBe(0);
    expect(report.notes.join()).toContain('3 keys signed this log one after another');
  });

  it('says wrong-key for old checkpoints of a stream or of the meta-log signed again with a newer key', async () => {
    for (const [name, key, where] of [
      [tree, 1, "origin NOT LIKE '%/meta' AND size = 20"],
      [tree, 2, "origin NOT LIKE '%/meta' AND size < 60"],
      ['meta', 2, `origin LIKE '%/meta' AND size = ${keyLeaves[0]}`],
    ] as const) {
      const report = await verifyRolled((engine) => signAgain(engine, where, privateKeys[key] as KeyObject));
      expect(report.exit, where).toBe(1);
      expect(classes(report), where).toContain(`wrong-key ${name} -`);
    }
  });

  it('says so too when the anchor’s old lines were signed again with the newest key', async () => {
    const newest = privateKeys[2] as KeyObject;
    const signLines = (lines: string[]) =>
      lines.map((line) => {
        const [id, time, origin, size, root] = line.split(' ') as [string, string, string, string, string];
        if (size !== '20') return line;
        return [id, time, origin, size, root, signatureOf(`${origin}\n${size}\n${root}\n`, newest)].join(' ');
      });
    const report = await verifyRolled(unchanged, undefined, signLines);
    expect(report).toMatchObject({ exit: 1, first: `wrong-key ${tree} -` });
  });

  it('says wrong-key for what an old key signed after it was replaced', async () => {
    for (const [name, where] of [
      [tree, "origin NOT LIKE '%/meta' AND size = 60"],
      ['meta', `origin LIKE '%/meta' AND size = ${(keyLeaves[1] as number) + 2}`],
    ] as const) {
      for (const key of privateKeys.slice(0, 2)) {
        const report = await verifyRolled((engine) => signAgain(engine, where, key));
        expect(report.exit, where).toBe(1);
        expect(classes(report), where).toContain(`wrong-key ${name} -`);
      }
    }
  });

  it('takes either signature under the checkpoint that ends with the key’s leaf, and none of a third key', async () => {
    const size = (keyLeaves[0] as number) + 1;
    const where = `origin LIKE '%/meta' AND size = ${size}`;
    const exits = [];
    for (const key of privateKeys) exits.push((await verifyRolled((e) => signAgain(e, where, key))).exit);
    expect(exits).toEqual([0, 0, 1]);
  });

  it('says wrong-key, and where, when a leaf’s endorsement was changed; and finds it removed', async () => {
    const [index] = keyLeaves;
    const forged = await verifyRolled((engine) =>
      update(
        engine,
        'kw.meta',
        "text = if(position(text, 'signature A') > 0, replaceOne(text, 'signature A', 'signature B'), replaceRegexpOne(text, 'signature .', 'signature A'))",
        `index = ${index}`,
      ),
    );
    expect(forged.exit).toBe(1);
    expect(classes(forged)).toContain(`wrong-key meta ${index}`);
    const removed = await verifyRolled((engine) => remove(engine, 'kw.meta', `index = ${index}`));
    expect(removed.exit).toBe(1);
    expect(classes(removed)).toEqual(
      expect.arrayContaining([`deleted meta ${index}`, `wrong-key meta ${keyLeaves[1]}`]),
    );
    const hidden = await verifyRolled((engine) =>
      update(engine, 'kw.meta', "kind = 'ack'", `index = ${index}`),
    );
    expect(hidden.exit).toBe(1);
    expect(classes(hidden)).toContain(`modified meta ${index}`);
  });

  it('refuses a rollover that an INSERT-only user adds: forged, or a true one copied to another place', async () => {
    const thief = generateKeyPairSync('ed25519').privateKey;
    const forged = await verifyRolled(async (engine) => {
      await insertKeyLeaf(
        engine,
        rolloverLines(await metaSize(engine), privateKeys[2] as KeyObject, thief, 'previous', thief),
      );
    });
    let end = 0;
    const copied = await verifyRolled(async (engine) => {
      end = await metaSize(engine);
      await engine.command(
        `INSERT INTO kw.meta SELECT ${end}, kind, made_at, text FROM kw.meta WHERE index = ${keyLeaves[1]}`,
      );
    });
    for (const report of [forged, copied]) {
      expect(report).toMatchObject({ exit: 1, first: `wrong-key meta ${end}` });
      expect(classes(report)).toHaveLength(1);
    }
  });

  it('refuses a rollover by a root that was never registered, and an old key’s endorsement', async () => {
    const thief = generateKeyPairSync('ed25519').privateKey;
    for (const [by, endorser] of [
      ['root', thief],
      ['previous', privateKeys[1]],
      ['previous', privateKeys[0]],
    ] as const) {
      let end = 0;
      const report = await verifyRolled(async (engine) => {
        end = await metaSize(engine);
        await insertKeyLeaf(
          engine,
          rolloverLines(end, privateKeys[2] as KeyObject, thief, by, endorser as KeyObject),
        );
      });
      expect(report, by).toMatchObject({ exit: 1, first: `wrong-key meta ${end}` });
    }
  });

  it('finds a rollover that the anchor does not know, and takes an anchor that began later', async () => {
    const second = rawOf(privateKeys[1] as KeyObject).toString('base64');
    const unknown = await verifyRolled(unchanged, undefined, (lines) =>
      lines.filter((line) => line !== `${logId} key ${second}`),
    );
    expect(unknown).toMatchObject({ exit: 1, first: `wrong-key meta ${keyLeaves[0]}` });
    const later = await verifyRolled(unchanged, undefined, (lines) =>
      lines.slice(lines.indexOf(`${logId} key ${second}`)),
    );
    expect(later).toMatchObject({ exit: 0 });
    const third = generateKeyPairSync('ed25519').privateKey;
    const foreign = await verifyRolled(unchanged, undefined, (lines) => [
      ...lines.slice(0, -1),
      `${logId} key ${rawOf(third).toString('base64')}`,
      '',
    ]);
    expect(foreign).toMatchObject({ exit: 1, first: 'wrong-key  -' });
  });

  it('begins with the anchor’s key when the store’s first leaf names another', async () => {
    const other = vkeyOf(`keywitness/${logId}/meta`, generateKeyPairSync('ed25519').privateKey);
    const report = await verifyRolled((engine) =>
      update(engine, 'kw.meta', `text = replaceRegexpOne(text, 'key [^\\n]*', 'key ${other}')`, 'index = 0'),
    );
    expect(report.exit).toBe(1);
    expect(classes(report)).toEqual(['modified meta 0']);
  });

  it('says rolled-back, not another key, when the tail was cut together with a rollover', async () => {
    const report = await verifyRolled(async (engine) => {
      await remove(engine, 'kw.meta', `index >= ${keyLeaves[1]}`);
      await remove(engine, 'kw.checkpoints', `origin LIKE '%/meta' AND size > ${keyLeaves[1]} OR size = 60`);
    });
    expect(report).toMatchObject({ exit: 2 });
    expect(classes(report)).toContain(`rolled-back meta ${keyLeaves[1]}`);
  });

  it('holds the log against a note kept before a rollover, and refuses it signed again with a newer key', async () => {
    const engine = await storeOf(rolled);
    const kept = await checkpoints(engine, `origin LIKE '%/meta' AND size < ${keyLeaves[0]} OR size = 20`);
    await engine.close();
    expect(kept.length).toBeGreaterThan(2);
    for (const { origin, size, note } of kept.slice(-2)) {
      expect(await verifyRolled(unchanged, note), `${origin} ${size}`).toMatchObject({ exit: 0 });
      const again = noteOf(note.slice(0, note.lastIndexOf('\n\n') + 1), privateKeys[2] as KeyObject);
      const report = await verifyRolled(unchanged, again);
      expect(report.first).toMatch(/^wrong-key /);
    }
  });

  it('accuses nobody between a crash in the middle of a rollover and the next start', async () => {
    for (const last of ['meta key is there', 'checkpoints are there']) {
      const report = await verifyRolled(async (engine, dir) => {
        const machine = stoppingMachine(dir, Number.POSITIVE_INFINITY);
        let hasKeyLeaf = false;
        const step = machine.step;
        const stopping = {
          ...machine,
          step(what: string) {
            hasKeyLeaf ||= what === 'meta key is there';
            if (what === last && hasKeyLeaf) throw new Error('the machine stopped');
            step(what);
          },
        };
        const store = stoppingStore(openLedgerStore(engine), stopping);
        const keys = await openKeys(join(dir, 'data'), {});
        const options = { store, keys, anchorFile: join(dir, 'data.anchor'), clock };
        await expect(rotateKeys(options).finally(machine.restore)).rejects.toThrow('the machine stopped');
      });
      expect(
        report.findings.filter((f) => f.class !== 'stale'),
        last,
      ).toEqual([]);
      expect(report.notes.join(), last).toContain('a key rollover was begun and not ended');
    }
  });
});

describe('prove, after two rollovers', () => {
  it('proves events of every time with the keys that signed them', async () => {
    const engine = await storeOf(rolled);
    try {
      const identity = readIdentity(join(rolled, 'data')) as LogIdentity;
      const origin = `keywitness/${logId}/${tree}`;
      for (const line of [0, 30, 59]) {
        const ref = { stream: 'audit.ndjson', partition: 0, epoch: 0, offset: offsetOf(line), idx: 0 };
        const out = join(base, `../proof-${line}`);
        mkdirSync(out);
        const files = await proveEvent(engine, identity, ref);
        for (const [name, bytes] of files) writeFileSync(join(out, name), bytes);
        expect(verifyOffline(out).verdict, `${line}`).toBe('intact');
        const newest = privateKeys[2] as KeyObject;
        expect(files.get('keys.txt')?.toString()).toBe(
          `${vkeyOf(origin, newest)}\n${vkeyOf(`keywitness/${logId}/meta`, newest)}\n`,
        );
      }
      expect(await newestCheckpoint(engine, identity)).toContain(
        keyIdBase64(`keywitness/${logId}/meta`, privateKeys[2]),
      );
    } finally {
      await engine.close();
    }
  });

  it('names the older key of a stream that was not signed again after the rollover', async () => {
    await verifyRolled(async (engine, dir) => {
      await remove(engine, 'kw.checkpoints', "size = 60 AND origin NOT LIKE '%/meta'");
      const identity = readIdentity(join(dir, 'data')) as LogIdentity;
      const ref = { stream: 'audit.ndjson', partition: 0, epoch: 0, offset: offsetOf(10), idx: 0 };
      const keys = (await proveEvent(engine, identity, ref)).get('keys.txt')?.toString() ?? '';
      expect(keys).toBe(
        `${vkeyOf(`keywitness/${logId}/${tree}`, privateKeys[1] as KeyObject)}\n` +
          `${vkeyOf(`keywitness/${logId}/meta`, privateKeys[2] as KeyObject)}\n`,
      );
    });
  });
});

const keyIdBase64 = (name: string, key: KeyObject | undefined) =>
  keyIdOf(name, key as KeyObject)
    .subarray(0, 3)
    .toString('base64');
