import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cosignedTime, ed25519, requestBody, type ToyLog, toyLog, vkeyOf } from '../support/toyLog.ts';
import { startWitness, type WitnessProcess, witnessFailure } from '../support/witnessProcess.ts';

/** C2SP tlog-witness over real HTTP, against logs and checks that are written from the specifications alone. */
let folder: string;
let witness: WitnessProcess;
let logsFile: string;
const files = (name: string) => [
  '--key',
  join(folder, `${name}.pem`),
  '--state',
  join(folder, `${name}.state`),
];

/** A log of ten leaves that the witness knows. */
function knownLog(origin: string): ToyLog {
  const log = toyLog(origin);
  log.grow(...Array.from({ length: 10 }, (_, i) => `${origin} ${i}`));
  writeFileSync(logsFile, `${log.vkey}\n`, { flag: 'a' });
  return log;
}

const submit = (log: ToyLog, old: number, size: number, proof = log.proof(old, size)) =>
  witness.add(requestBody(old, old === 0 ? [] : proof, log.checkpoint(size)));

/** Raw bytes in, the whole answer out: what no client would send. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(witness.url).port), '127.0.0.1', () => socket.end(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keywitness-witness-'));
  logsFile = join(folder, 'logs.txt');
  writeFileSync(logsFile, '# logs this witness knows\n\n');
  witness = await startWitness([...files('main'), '--keys', logsFile]);
}, 60_000);
afterAll(async () => {
  await witness?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('add-checkpoint answers as C2SP tlog-witness says', () => {
  it('200: a first checkpoint, and one that continues it, are cosigned now under the printed key', async () => {
    const log = knownLog('example.com/first');
    const before = Math.floor(Date.now() / 1000);
    for (const [old, size] of [
      [0, 3],
      [3, 4],
      [4, 10],
    ] as const) {
      const answer = await submit(log, old, size);
      expect(answer.status, answer.body).toBe(200);
      const time = cosignedTime(answer.body, witness.vkey, log.checkpoint(size));
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now() / 1000);
    }
  });

  it('200: the same checkpoint again is cosigned again, with an empty proof', async () => {
    const log = knownLog('example.com/again');
    await submit(log, 0, 5);
    const answer = await submit(log, 5, 5);
    expect(answer.status).toBe(200);
    expect(cosignedTime(answer.body, witness.vkey, log.checkpoint(5))).toBeDefined();
    expect((await submit(log, 5, 5, [log.root(5)])).status).toBe(422);
  });

  it('200: the empty tree is a checkpoint, and what follows it begins at 0', async () => {
    const log = knownLog('example.com/empty');
    expect((await submit(log, 0, 0)).status).toBe(200);
    expect((await submit(log, 0, 0)).status).toBe(200);
    expect((await submit(log, 0, 7)).status).toBe(200);
    const wrongRoot = `example.com/empty2\n0\n${Buffer.alloc(32).toString('base64')}\n`;
    const other = knownLog('example.com/empty2');
    expect((await witness.add(requestBody(0, [], other.checkpoint(0, wrongRoot)))).status).toBe(409);
  });

  it('200: extension lines are cosigned with the rest', async () => {
    const log = knownLog('example.com/extended');
    const note = log.checkpoint(2, `${log.origin}\n2\n${log.root(2).toString('base64')}\nmore 1\n`);
    const answer = await witness.add(requestBody(0, [], note));
    expect(answer.status).toBe(200);
    expect(cosignedTime(answer.body, witness.vkey, note)).toBeDefined();
    expect(cosignedTime(answer.body, witness.vkey, log.checkpoint(2))).toBeUndefined();
  });

  it('200: signatures of unknown keys beside a known one are ignored, sixteen and more', async () => {
    const log = knownLog('example.com/crowd');
    const strangers = Array.from({ length: 20 }, () => toyLog(log.origin)).map(
      (stranger) => stranger.checkpoint(4, log.checkpoint(4).split('\n\n')[0]?.concat('\n')).split('\n\n')[1],
    );
    const answer = await witness.add(requestBody(0, [], log.checkpoint(4) + strangers.join('')));
    expect(answer.status, answer.body).toBe(200);
  });

  it.each([
    ['nothing', () => ''],
    ['no old line', (l: ToyLog) => `\n${l.checkpoint(3)}`],
    ['old without a size', (l: ToyLog) => requestBody('', [], l.checkpoint(3))],
    ['a leading zero', (l: ToyLog) => requestBody('00', [], l.checkpoint(3))],
    ['a sign', (l: ToyLog) => requestBody('+0', [], l.checkpoint(3))],
    ['a negative size', (l: ToyLog) => requestBody('-1', [], l.checkpoint(3))],
    ['a size beyond 2^53', (l: ToyLog) => requestBody('9007199254740993', [], l.checkpoint(3))],
    ['two blanks', (l: ToyLog) => requestBody(' 0', [], l.checkpoint(3))],
    ['carriage returns', (l: ToyLog) => requestBody(0, [], l.checkpoint(3)).replaceAll('\n', '\r\n')],
    ['no empty line', (l: ToyLog) => `old 0\n${l.checkpoint(3)}`],
    ['a short hash', (l: ToyLog) => requestBody(0, [Buffer.alloc(31)], l.checkpoint(3))],
    ['base64 that is not canonical', (l: ToyLog) => `old 0\n${'A'.repeat(42)}B=\n\n${l.checkpoint(3)}`],
    ['64 proof lines', (l: ToyLog) => requestBody(0, Array(64).fill(Buffer.alloc(32)), l.checkpoint(3))],
    ['no note', () => requestBody(0, [], 'hello\n')],
    [
      'a note without a signature',
      (l: ToyLog) => requestBody(0, [], `${l.checkpoint(3).split('\n\n')[0]}\n\n`),
    ],
    ['a note that does not end', (l: ToyLog) => requestBody(0, [], l.checkpoint(3).trimEnd())],
    [
      'a text that is no checkpoint',
      (l: ToyLog) => requestBody(0, [], l.checkpoint(3, `${l.origin}\nthree\n`)),
    ],
    ['a size with a leading zero', (l: ToyLog) => requestBody(0, [], withSize(l, '03'))],
    [
      'an empty extension line',
      (l: ToyLog) => requestBody(0, [], l.checkpoint(3, `${withSize(l, '3').split('\n\n')[0]}\n\nx\n`)),
    ],
    [
      'bytes that are not UTF-8',
      (l: ToyLog) => Buffer.concat([Buffer.from(requestBody(0, [], l.checkpoint(3))), Buffer.of(0xff, 0x0a)]),
    ],
    ['an old size above the checkpoint’s', (l: ToyLog) => requestBody(4, [], l.checkpoint(3))],
  ])('400: %s', async (_, body) => {
    const log = knownLog(`example.com/malformed${Math.random()}`);
    const answer = await witness.add(body(log));
    expect(answer.status, answer.body).toBe(400);
    // Nothing was remembered of it.
    expect((await submit(log, 0, 3)).status).toBe(200);
  });

  it('63 proof lines are taken for what they are: no proof', async () => {
    const log = knownLog('example.com/long');
    await submit(log, 0, 3);
    expect((await submit(log, 3, 10, Array(63).fill(Buffer.alloc(32)))).status).toBe(422);
  });

  it('403: signed by another key under the origin, or with a signature that does not hold', async () => {
    const log = knownLog('example.com/signed');
    const stranger = toyLog(log.origin);
    stranger.grow('x');
    expect((await witness.add(requestBody(0, [], stranger.checkpoint(1)))).status).toBe(403);
    const forged = log.checkpoint(3).replace('\n3\n', '\n4\n');
    expect((await witness.add(requestBody(0, [], forged))).status).toBe(403);
    // A key of another origin is no key of this one.
    const keys = ed25519();
    writeFileSync(logsFile, `${vkeyOf('example.com/other', 1, keys.raw)}\n`, { flag: 'a' });
    const own = toyLog('example.com/signed', keys);
    own.grow('x');
    expect((await witness.add(requestBody(0, [], own.checkpoint(1)))).status).toBe(403);
  });

  it('403 before 409: who has no key learns nothing of the state', async () => {
    const log = knownLog('example.com/quiet');
    await submit(log, 0, 6);
    const stranger = toyLog(log.origin);
    stranger.grow('x');
    const answer = await witness.add(requestBody(0, [], stranger.checkpoint(1)));
    expect([answer.status, answer.body.includes('6')]).toEqual([403, false]);
  });

  it('404: an origin it does not know', async () => {
    const log = toyLog('example.com/unknown');
    log.grow('x');
    expect((await submit(log, 0, 1)).status).toBe(404);
  });

  it('409: another old size than the one cosigned last, which is told', async () => {
    const log = knownLog('example.com/conflict');
    await submit(log, 0, 6);
    for (const old of [0, 5, 7]) {
      const answer = await submit(log, old, 9);
      expect(answer).toEqual({ status: 409, type: 'text/x.tlog.size', body: '6\n' });
    }
    // A checkpoint below the one cosigned last cannot be asked for at all.
    expect(await submit(log, 0, 3)).toMatchObject({ status: 409, body: '6\n' });
    expect(await submit(log, 3, 3)).toMatchObject({ status: 409, body: '6\n' });
    const never = knownLog('example.com/never');
    expect(await submit(never, 2, 4)).toEqual({ status: 409, type: 'text/x.tlog.size', body: '0\n' });
  });

  it('409: one size, another root', async () => {
    const log = knownLog('example.com/fork');
    await submit(log, 0, 6);
    const note = log.checkpoint(6, `${log.origin}\n6\n${log.root(5).toString('base64')}\n`);
    const answer = await witness.add(requestBody(6, [], note));
    expect(answer).toEqual({ status: 409, type: 'text/x.tlog.size', body: '6\n' });
    const line = witness
      .said()
      .split('\n')
      .find((l) => l.includes('contradiction_refused') && l.includes(log.origin));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'error', note, latest: { size: 6 } });
  });

  it('422: a proof that does not hold, and the state stays', async () => {
    const log = knownLog('example.com/unproved');
    await submit(log, 0, 6);
    const good = log.proof(6, 10);
    const spoiled = good.map((h, i) => (i === 0 ? Buffer.alloc(32) : h));
    for (const proof of [[], spoiled, good.slice(1), [...good, log.root(3)], good.toReversed()]) {
      expect((await submit(log, 6, 10, proof)).status).toBe(422);
    }
    expect((await submit(log, 6, 10)).status).toBe(200);
  });

  it('422: a proof from nothing must be empty', async () => {
    const log = knownLog('example.com/nothing');
    expect((await witness.add(requestBody(0, [log.root(1)], log.checkpoint(2)))).status).toBe(422);
  });

  it('keeps the connection, bounds the body, and knows POST only', async () => {
    const log = knownLog('example.com/http');
    const one = (body: string, more = '') =>
      `POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const body = requestBody(0, [], log.checkpoint(2));
    const again = requestBody(2, [], log.checkpoint(2));
    const two = await raw(one(body) + one(again, 'Connection: close\r\n'));
    expect(two.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    const chunked =
      'POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n';
    expect(await raw(`${chunked}${again.length.toString(16)}\r\n`)).not.toContain('200 OK');
    expect((await witness.add('x'.repeat(300 * 1024))).status).toBe(413);
    const get = await fetch(`${witness.url}/add-checkpoint`);
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await fetch(`${witness.url}/`)).status).toBe(404);
  });

  it('of many requests at once for one origin one moves it on', async () => {
    const log = knownLog('example.com/race');
    await submit(log, 0, 1);
    const answers = await Promise.all([2, 3, 4, 5, 6, 7, 8, 9, 10].map((size) => submit(log, 1, size)));
    expect(answers.filter((a) => a.status === 200)).toHaveLength(1);
    expect(answers.filter((a) => a.status === 409)).toHaveLength(8);
  });
});

function withSize(log: ToyLog, size: string): string {
  return log.checkpoint(3, `${log.origin}\n${size}\n${log.root(3).toString('base64')}\n`);
}

describe('the logs it knows', () => {
  it('a key for keywitness/LOGID/meta holds for that log’s streams, and for no other’s', async () => {
    const keys = ed25519();
    writeFileSync(logsFile, `${vkeyOf('keywitness/0123456789abcdef/meta', 1, keys.raw)}\n`, { flag: 'a' });
    const of = (origin: string) => {
      const log = toyLog(origin, keys);
      log.grow('a', 'b');
      return submit(log, 0, 2);
    };
    expect((await of('keywitness/0123456789abcdef/meta')).status).toBe(200);
    expect((await of('keywitness/0123456789abcdef/main.vault-audit/3/0')).status).toBe(200);
    expect((await of('keywitness/0123456789abcdee/main.vault-audit/3/0')).status).toBe(404);
    expect((await of('keywitness/0123456789abcdef/other')).status).toBe(404);
  });

  it('a file that becomes unreadable leaves the logs it knew, and says the line', async () => {
    const log = knownLog('example.com/kept');
    expect((await submit(log, 0, 1)).status).toBe(200);
    const good = readFileSync(logsFile);
    writeFileSync(logsFile, 'not a key\n');
    expect((await submit(log, 1, 2)).status).toBe(200);
    expect(witness.said()).toContain('logs.txt:1');
    writeFileSync(logsFile, good);
    const later = new Date(Date.now() + 5_000);
    utimesSync(logsFile, later, later);
    expect((await submit(log, 2, 3)).status).toBe(200);
  });
});

describe('the process', { timeout: 60_000 }, () => {
  it('remembers over kill -9, keeps its key and name, and writes both for nobody else to read', async () => {
    const log = knownLog('example.com/restart');
    const args = [...files('again'), '--keys', logsFile, '--name', 'witness.example/w1'];
    const first = await startWitness(args);
    expect(first.vkey).toMatch(/^witness\.example\/w1\+[0-9a-f]{8}\+B/);
    expect((await first.add(requestBody(0, [], log.checkpoint(4)))).status).toBe(200);
    await first.stop('SIGKILL');
    const second = await startWitness(args.slice(0, -2));
    expect(second.vkey).toBe(first.vkey);
    expect(await second.add(requestBody(0, [], log.checkpoint(4)))).toMatchObject({
      status: 409,
      body: '4\n',
    });
    const both = await witnessFailure(['--listen', '127.0.0.1:1', ...args]);
    expect([both.exit, both.said.includes(String(second.pid))]).toEqual([4, true]);
    expect(await second.stop()).toBe(0);
    for (const name of ['again.pem', 'again.state'])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('encrypts its key when a passphrase is given, and needs it again', async () => {
    const env = { KEYWITNESS_KEY_PASSPHRASE: 'correct horse' };
    const first = await startWitness(files('sealed'), { env });
    await first.stop();
    expect(readFileSync(join(folder, 'sealed.pem'), 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    const without = await witnessFailure(['--listen', '127.0.0.1:1', ...files('sealed')]);
    expect([without.exit, without.said.includes('KW_KEY')]).toEqual([4, true]);
  });

  it('never begins again from nothing: a lost or torn state, or another key’s, is refused with advice', async () => {
    const args = files('lost');
    await (await startWitness(args)).stop();
    const state = join(folder, 'lost.state');
    const whole = readFileSync(state, 'utf8');
    const refusals = [
      () => writeFileSync(state, whole.slice(0, -20)),
      () => writeFileSync(state, ''),
      () => writeFileSync(state, readFileSync(join(folder, 'main.state'))),
      () => rmSync(state),
    ];
    for (const spoil of refusals) {
      spoil();
      const { exit, said } = await witnessFailure(['--listen', '127.0.0.1:1', ...args]);
      expect([exit, said.includes('KW_WITNESS_STATE'), said.includes('new --key')]).toEqual([4, true, true]);
    }
    writeFileSync(state, whole);
    await (await startWitness(args)).stop();
  });

  it('says in words which file it cannot read', async () => {
    for (const [args, code] of [
      [[...files('dir'), '--keys', folder], 'KW_CONFIG'],
      [['--key', join(folder, 'dir2.pem'), '--state', folder], 'KW_USAGE'],
    ] as const) {
      const { exit, said } = await witnessFailure(['--listen', '127.0.0.1:1', ...args]);
      expect([
        exit,
        said.includes(code),
        said.includes(`${folder} cannot be read`),
        said.includes(' at '),
      ]).toEqual([code === 'KW_CONFIG' ? 3 : 2, true, true, false]);
    }
  });

  it('cosigns nothing that it could not remember', async () => {
    const log = knownLog('example.com/full');
    const home = mkdtempSync(join(folder, 'full-'));
    const one = await startWitness([
      '--key',
      join(home, 'k.pem'),
      '--state',
      join(home, 's'),
      '--keys',
      logsFile,
    ]);
    // A folder in the place of the draft: it cannot be opened for writing, not even by root.
    mkdirSync(join(home, 's.new'));
    expect((await one.add(requestBody(0, [], log.checkpoint(2)))).status).toBe(503);
    rmSync(join(home, 's.new'), { recursive: true });
    expect((await one.add(requestBody(0, [], log.checkpoint(3)))).status).toBe(200);
    await one.stop();
  });

  it('listens beyond loopback only with TLS or --insecure', async () => {
    const { exit, said } = await witnessFailure(['--listen', '0.0.0.0:9474', ...files('open')]);
    expect([exit, said.includes('KW_LISTEN')]).toEqual([3, true]);
  });
});
