import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { auditWitnessed, type WitnessTrust } from '../../src/ledger/audit/witnessed.ts';
import { type CosignatureVerifier, parseCosignatureKey } from '../../src/ledger/cosignature.ts';
import { readPolicy } from '../../src/ledger/policy.ts';
import type { Engine } from '../../src/store/client.ts';
import {
  keyOf,
  metaHashes,
  metaOriginOf,
  noteOf,
  randomOf,
  type ToyKey,
  type ToyLog,
  treeHash,
  vkeyOf,
  witnessName,
} from '../campaign/toyBundle.ts';
import { makeLog } from '../campaign/toyLog.ts';

const log = makeLog(
  randomOf(7),
  {
    hasRollover: true,
    hasRoot: false,
    hasRetention: false,
    hasErasure: false,
    hasHold: false,
    hasGap: false,
    endsAtRollover: false,
    records: 20,
  },
  'witnessed',
);
const origin = metaOriginOf(log);
const witnessKey = parseCosignatureKey(vkeyOf(witnessName, log.witness, 4)) as CosignatureVerifier;

function checkpoint(size: number, cosignedSeconds?: number) {
  const root = treeHash(metaHashes(log).slice(0, size));
  const cosigned = cosignedSeconds === undefined ? undefined : { key: log.witness, time: cosignedSeconds };
  return { size, note: noteOf(origin, size, root, [log.keys.at(-1) as ToyKey], cosigned), root };
}

/** A store that holds these checkpoints of the meta-log, as many as there are when it is asked. */
function storeOf(of: ToyLog, stored: () => readonly ReturnType<typeof checkpoint>[]): Engine {
  const rows = async (query: string) => {
    if (query.includes('FROM kw.meta')) {
      const leaves = of.meta.map((text, i) => ({
        i,
        kind: '',
        t: Buffer.from(text).toString('base64'),
        ms: 0,
      }));
      return leaves.filter(({ i }) => i === 0 || (of.meta[i] as string).includes('\nkind key\n'));
    }
    const all = stored().map((c) => ({
      origin,
      n: c.size,
      r: c.root.toString('base64'),
      note: c.note,
      ms: 0,
    }));
    return query.includes('DESC') ? all.slice(-1) : all.filter(({ note }) => note.includes(witnessName));
  };
  return { rows } as unknown as Engine;
}

const policyOf = (logKey: ToyKey) =>
  readPolicy(Buffer.from(`log ${vkeyOf(origin, logKey)}\nquorum none\n`), 'policy');
const all = log.meta.length;
const audit = (trust: WitnessTrust, stored = () => [checkpoint(all)]) =>
  auditWitnessed(storeOf(log, stored), log.logId, trust, 1);

it('a policy may pin a key that was lawfully replaced; another log’s key is not one', async () => {
  expect(log.keys.length).toBe(2);
  for (const key of log.keys) {
    const { findings } = await audit({ keys: [], reachable: [], policy: policyOf(key) });
    expect(findings).toEqual([]);
  }
  const stranger = await audit({ keys: [], reachable: [], policy: policyOf(keyOf('stranger')) });
  expect(stranger.findings.map((f) => f.class)).toEqual(['wrong-key']);
});

it('a time that no date has is still a time', async () => {
  const far = await audit({ keys: [witnessKey], reachable: [] }, () => [
    checkpoint(all, 9_000_000_000_000_000),
  ]);
  expect(new Date(far.newest).toISOString()).toBe('+275760-09-13T00:00:00.000Z');
});

it('a log that grows while the witness is asked was not rolled back', async () => {
  let isGrown = false;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    isGrown = true;
    if (!body.startsWith(`old ${all}\n\n`)) return void response.writeHead(409).end(`${all}\n`);
    response.end(checkpoint(all, 1_767_225_600).note.split('\n').at(-2)?.concat('\n'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reachable = [{ url, key: witnessKey }];
  const told = await audit({ keys: [], reachable }, () => [checkpoint(isGrown ? all : all - 1)]);
  expect([told.findings, told.notes, told.newest]).toEqual([[], [], 1]);
  const back = await audit({ keys: [], reachable }, () => [checkpoint(all - 1)]);
  expect(back.findings.map((f) => f.class)).toEqual(['rolled-back']);
  server.close();
});
