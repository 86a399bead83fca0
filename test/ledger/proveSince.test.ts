import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newestCheckpoint, proveEvent } from '../../src/ledger/audit/prove.ts';
import { proveSince } from '../../src/ledger/audit/proveSince.ts';
import { streamOrigin } from '../../src/ledger/checkpoint.ts';
import { type LogIdentity, readIdentity } from '../../src/ledger/keys.ts';
import { parseProof } from '../../src/ledger/proof.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { newestCheckpoint as newestOf } from '../../src/store/ledgerStore.ts';
import {
  dataDir,
  key,
  leaves,
  mth,
  offsets,
  path,
  removeSittings,
  sittings,
  subproof,
  takeIn,
} from './sittings.ts';

let engine: Engine;
let identity: LogIdentity;
const kept: { stream: string; meta: string }[] = [];

beforeAll(async () => {
  await takeIn(async () => {
    engine = await openEmbedded(join(dataDir, 'store'));
    identity = readIdentity(dataDir) as LogIdentity;
    const stream = await newestOf(engine, streamOrigin(identity.logId, key));
    kept.push({ stream: stream?.note ?? '', meta: (await newestCheckpoint(engine, identity)) ?? '' });
    if (kept.length < sittings.length) await engine.close();
  });
}, 120_000);
afterAll(async () => {
  await engine.close();
  removeSittings();
});

const proofLines = (body: string) => body.slice(0, body.indexOf('\n\n')).split('\n');

describe('prove --since', () => {
  it.each([0, 1, 2])('from sitting %i: the old size, the proof of RFC 9162, the newest note', async (i) => {
    const body = await proveSince(engine, identity, kept[i]?.stream ?? '');
    const size = sittings[i] as number;
    const proof = subproof(size, leaves, true).map((h) => h.toString('base64'));
    expect(proofLines(body)).toEqual([`old ${size}`, ...proof]);
    expect(body.slice(body.indexOf('\n\n') + 2)).toBe(kept[2]?.stream);
    expect(kept[2]?.stream.split('\n')[2]).toBe(mth(leaves).toString('base64'));
  });

  it('proves the meta-log itself, and refuses a note that is not of this log or that it does not continue', async () => {
    const body = await proveSince(engine, identity, kept[0]?.meta ?? '');
    expect(proofLines(body)[0]).toBe(`old ${kept[0]?.meta.split('\n')[1]}`);
    const other = (kept[0]?.meta ?? '').replace(/[0-9a-f]{16}/, '0'.repeat(16));
    await expect(proveSince(engine, identity, other)).rejects.toMatchObject({ code: 'KW_USAGE' });
    const lied = (kept[0]?.meta ?? '').replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${'A'.repeat(43)}=\n`);
    await expect(proveSince(engine, identity, lied)).rejects.toMatchObject({ code: 'KW_LEDGER_BROKEN' });
  });
});

describe('prove, in a tree of several tiles', () => {
  it.each([0, 255, 256, 599, 1_279, 1_280, 1_499])('leaf %i has the path of RFC 9162', async (index) => {
    const ref = { ...key, offset: BigInt(offsets[index] ?? 0), idx: 0 };
    const files = await proveEvent(engine, identity, ref);
    const proof = parseProof(files.get('event.tlog-proof')?.toString() ?? '');
    expect(proof?.index).toBe(index);
    expect(proof?.path.map((h) => h.toString('hex'))).toEqual(
      path(index, leaves).map((h) => h.toString('hex')),
    );
  });
});
