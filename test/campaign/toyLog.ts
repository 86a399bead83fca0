import {
  hashesOf,
  keyOf,
  leafOf,
  metaHashes,
  metaLeaf,
  metaOriginOf,
  pinLine,
  type Random,
  rolloverLines,
  rootLines,
  type ToyKey,
  type ToyLog,
  type ToyStream,
  treeHash,
  treeOf,
  vkeyOf,
} from './toyBundle.ts';

const begin = 1_767_225_600_000;

/** What happened while the log ran. */
export interface ToyHistory {
  readonly hasRollover: boolean;
  readonly hasRoot: boolean;
  readonly hasRetention: boolean;
  readonly hasErasure: boolean;
  readonly hasHold: boolean;
  readonly hasGap: boolean;
  /** The bundle was made between the rollover and the next heartbeat: its checkpoint has two signatures. */
  readonly endsAtRollover: boolean;
  /** Records of the biggest stream. */
  readonly records: number;
}

export function historyOf(random: Random): ToyHistory {
  const chance = (percent: number) => random(100) < percent;
  return {
    hasRollover: chance(60),
    hasRoot: chance(30),
    hasRetention: chance(40),
    hasErasure: chance(50),
    hasHold: chance(30),
    hasGap: chance(30),
    endsAtRollover: chance(10),
    records: chance(30) ? 250 + random(300) : 12 + random(60),
  };
}

/** A whole log with three streams, one of which ended early, signed as it should be. */
export function makeLog(random: Random, history: ToyHistory, seed: string): ToyLog {
  const log: ToyLog = {
    logId: treeHash([Buffer.from(seed)])
      .toString('hex')
      .slice(0, 16)
      .padStart(16, '0'),
    keys: [keyOf(`${seed} key 0`)],
    witness: keyOf(`${seed} witness`),
    streams: [
      newStream('main', 'vault-audit', 0),
      newStream('main', 'vault-audit', 1),
      newStream('file', 'audit.log', 0),
    ],
    meta: [],
    metaCheckpoint: { size: 0, root: Buffer.alloc(0), keys: [], isWitnessed: true },
  };
  const run = runOf(log, random);
  run.add('start', ['after nothing', `key ${vkeyOf(metaOriginOf(log), current(log))}`]);
  const rounds = 8;
  for (let round = 0; round < rounds; round += 1) {
    run.grow(Math.ceil(history.records / rounds));
    if (round === 2) run.end(2);
    if (round === 3 && history.hasHold) run.hold();
    if (round === 3 && history.hasGap)
      run.add('gap', [`tree ${treeOf(log.streams[0] as ToyStream)}`, 'first 0', 'last 4']);
    if (round === 4 && history.hasRoot) run.registerRoot(seed);
    if (round === 5 && history.hasRollover) run.roll(seed, 'previous');
    if (round === 6 && history.hasRoot) run.roll(seed, 'root');
    if (round === 6 && history.hasErasure) run.erase();
    run.heartbeat('heartbeat');
    if (round === 6 && history.hasRetention) run.retain();
  }
  run.heartbeat('stop');
  if (history.endsAtRollover) run.roll(seed, 'previous');
  const size = log.meta.length;
  const old = log.keys.at(-2);
  const keys = history.endsAtRollover && old !== undefined ? [old, current(log)] : [current(log)];
  log.metaCheckpoint = { size, root: treeHash(metaHashes(log)), keys, isWitnessed: true };
  return log;
}

const current = (log: ToyLog) => log.keys.at(-1) as ToyKey;

function newStream(cluster: string, topic: string, partition: number): ToyStream {
  const checkpoint = { size: 0, root: Buffer.alloc(0), key: keyOf('nobody') };
  return { cluster, topic, partition, epoch: 0, leaves: [], checkpoint, isEnded: false };
}

/** What a running log does; each act is a leaf of the meta-log. */
function runOf(log: ToyLog, random: Random) {
  const add = (kind: string, lines: readonly string[]) => {
    log.meta.push(metaLeaf(kind, begin + log.meta.length * 10_000, lines));
  };
  const [big] = log.streams as [ToyStream];
  const approvers = ['approver Ada', 'approver Grace'];
  return {
    add,
    grow(count: number) {
      for (const s of log.streams) {
        if (s.isEnded) continue;
        const n = s === big ? count : 1 + random(4);
        for (let i = 0; i < n; i += 1) {
          const offset = (s.leaves.at(-1)?.offset ?? 4n) + 1n + BigInt(random(10) === 0 ? 1 + random(5) : 0);
          const kind = random(12);
          const raw = kind === 0 ? null : kind === 1 ? Buffer.alloc(0) : randomText(random);
          s.leaves.push(leafOf(s, offset, raw, begin + s.leaves.length));
        }
      }
    },
    end: (at: number) => {
      (log.streams[at] as ToyStream).isEnded = true;
    },
    heartbeat(kind: string) {
      const listed = log.streams.filter(
        (s) => s.checkpoint.size !== s.leaves.length || (kind === 'stop' && !s.isEnded),
      );
      add(
        kind,
        listed.map((s) => pinLine(log, s)),
      );
      for (const s of listed) {
        s.checkpoint = { size: s.leaves.length, root: treeHash(hashesOf(s)), key: current(log) };
      }
    },
    roll(seed: string, by: 'previous' | 'root') {
      const [from, to] = [current(log), keyOf(`${seed} key ${log.keys.length}`)];
      const endorser = by === 'root' ? keyOf(`${seed} root`) : from;
      add('key', rolloverLines(log, log.meta.length, from, to, endorser, by));
      log.keys.push(to);
    },
    registerRoot(seed: string) {
      add('key', rootLines(log, log.meta.length, current(log), keyOf(`${seed} root`)));
    },
    hold() {
      add('hold', ['id case-7', 'act add', 'stream other', 'by Ada', 'reason subpoena']);
    },
    erase() {
      const index = Math.floor(big.leaves.length / 2) + random(3);
      const leaf = big.leaves[index];
      if (leaf === undefined) return;
      const { offset, hash } = leaf;
      add('erasure', [
        `tree ${treeOf(big)}`,
        `offset ${offset}`,
        `index ${index}`,
        `leaf ${hash.toString('hex')}`,
        'basis GDPR 17',
        ...approvers,
      ]);
      big.leaves[index] = { offset, hash };
    },
    retain() {
      const count = 3 + random(Math.floor(big.leaves.length / 3));
      const gone = big.leaves.slice(0, count);
      add('retention', [
        'month 202601',
        `tree ${treeOf(big)}`,
        'from 0',
        `count ${count}`,
        `first ${gone[0]?.offset}`,
        `last ${gone.at(-1)?.offset}`,
        `root ${treeHash(gone.map((l) => l.hash)).toString('base64')}`,
        'policy 12 months',
        ...approvers,
        'holds 0',
      ]);
      for (let i = 0; i < count; i += 1) {
        const { offset, hash } = big.leaves[i] as ToyStream['leaves'][number];
        big.leaves[i] = { offset, hash };
      }
    },
  };
}

function randomText(random: Random): Buffer {
  return Buffer.from(Array.from({ length: 20 + random(200) }, () => 32 + random(90)));
}
