import { spawn } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kafkaOptions } from '../../src/app/kafkaOptions.ts';
import { type ReplayedTree, replayTopics } from '../../src/app/replay.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { openTopicReader } from '../../src/intake/kafkaReplay.ts';
import { readIdentity } from '../../src/ledger/keys.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { BrokerWorld } from '../campaign/brokerWorld.ts';
import { brokers, describeKafka, withAdmin } from '../support/kafka.ts';

describeKafka('verify --replay', () => {
  let world: BrokerWorld;
  const each = 700;
  beforeAll(async () => {
    world = await BrokerWorld.open(await brokers(), 2);
    await world.produce(each, 0);
    await world.produce(each, 1);
    await world.start();
    await world.caughtUp();
    await world.stop();
  });
  afterAll(() => world.close());

  /** A copy of the store, changed by whoever can. */
  async function doctored(name: string, ...statements: string[]): Promise<ReplayedTree[]> {
    const dir = join(world.folder, name);
    cpSync(world.data, dir, { recursive: true });
    const engine = await openEmbedded(join(dir, 'store'));
    const { config } = world;
    if (config.kafka === undefined) throw new Error('the configuration has a topic');
    const reader = await openTopicReader(kafkaOptions(config.cluster, config.kafka), world.group);
    try {
      for (const sql of statements) {
        await engine.command(sql.startsWith('ALTER') ? `${sql} SETTINGS mutations_sync = 2` : sql);
      }
      const logId = readIdentity(dir)?.logId ?? '';
      return await replayTopics({ engine, logId, cluster: 'main', reader });
    } finally {
      await reader.close();
      await engine.close();
    }
  }

  const at = (offset: number, partition = 1) => `partition = ${partition} AND offset = ${offset}`;
  const said = (trees: ReplayedTree[]) => trees.map((t) => [t.partition, t.status, t.offset]);

  test('says `same` of what is as it was delivered', async () => {
    expect(await world.faults({ gaps: 0, alerts: [] })).toEqual([]);
    const trees = await doctored('same');
    expect(trees.map((t) => [t.stream, t.partition, t.epoch, t.status, t.replayed, t.kept])).toEqual([
      [`main.${world.topic}`, 0, 0, 'same', each, 0],
      [`main.${world.topic}`, 1, 0, 'same', each, 0],
    ]);
  });

  test('names a record that is another one, with its leaf made to fit', async () => {
    const sql = `ALTER TABLE kw.records UPDATE value = 'x', leaf = unhex('${'ab'.repeat(32)}') WHERE ${at(123)}`;
    expect(said(await doctored('changed', sql))).toEqual([
      [0, 'same', undefined],
      [1, 'differs', 123n],
    ]);
  });

  test('names a record that is lost', async () => {
    const trees = await doctored('lost', `ALTER TABLE kw.records DELETE WHERE ${at(77, 0)}`);
    expect(said(trees)).toEqual([
      [0, 'lost', 77n],
      [1, 'same', undefined],
    ]);
  });

  test('names a record that is there twice', async () => {
    const sql = `INSERT INTO kw.records SELECT * FROM kw.records WHERE ${at(500, 0)}`;
    expect(said(await doctored('twice', sql))).toEqual([
      [0, 'extra', 500n],
      [1, 'same', undefined],
    ]);
  });

  test('misses the end that was signed', async () => {
    const trees = await doctored(
      'cut',
      `ALTER TABLE kw.records DELETE WHERE partition = 1 AND offset >= 690`,
    );
    expect(said(trees)).toEqual([
      [0, 'same', undefined],
      [1, 'lost', 690n],
    ]);
  });

  test('takes what lawfully expired from the tiles', async () => {
    const tree = `main.${world.topic}/0/0`;
    const lines = [
      'keywitness-meta/v1',
      'kind retention',
      'time 2026-01-01T00:00:00.000Z',
      'month 202501',
      `tree ${tree}`,
      'from 0',
      'count 512',
      'first 0',
      'last 511',
      `root ${Buffer.alloc(32).toString('base64')}`,
      'policy of this test',
      'approver one',
      'approver two',
      'holds 0',
    ];
    const leaf =
      "INSERT INTO kw.meta (`index`, kind, made_at, text) SELECT max(`index`) + 1, 'retention', now64(3), " +
      `'${lines.join('\\n')}\\n' FROM kw.meta`;
    const trees = await doctored(
      'expired',
      leaf,
      'ALTER TABLE kw.records DELETE WHERE partition = 0 AND offset < 512',
    );
    const whole = await doctored('same again');
    expect(trees).toMatchObject([
      { partition: 0, status: 'same', replayed: each - 512, kept: 512, root: whole[0]?.root },
      { partition: 1, status: 'same', replayed: each, kept: 0 },
    ]);
    // Without the leaf they are simply gone.
    const lost = await doctored(
      'unlawful',
      'ALTER TABLE kw.records DELETE WHERE partition = 0 AND offset < 512',
    );
    expect(said(lost)[0]).toEqual([0, 'lost', 0n]);
  });

  async function cli(...words: string[]): Promise<{ exit: number | null; out: string; err: string }> {
    const program = [join(packageRoot, 'src/main.ts'), 'verify', ...words];
    const child = spawn(process.execPath, ['--import', 'tsx', ...program], {
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    const exit = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { exit, out, err };
  }

  const rowsOf = (out: string) =>
    out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  test('is a flag of the command: a topic after retention, one that is gone, a broker that is away', async () => {
    await withAdmin(world.addresses, async (admin) => {
      await admin.fetchTopicMetadata({ topics: [world.topic] });
      await admin.deleteTopicRecords({
        topic: world.topic,
        partitions: [{ partition: 0, offset: '300' }],
      });
    });
    const whole = await cli('--replay', '--config', world.file);
    expect([whole.exit, whole.err]).toEqual([0, '']);
    const replayed = rowsOf(whole.out).filter((row) => row.kind === 'replay');
    expect(replayed).toMatchObject([
      { partition: 0, status: 'same', replayed: each - 300, kept: 300 },
      { partition: 1, status: 'same', replayed: each, kept: 0 },
    ]);
    const roots = rowsOf(whole.out).filter((row) => row.kind === 'tree');
    expect(replayed.map((row) => row.root)).toEqual(roots.map((row) => row.root));
    expect(await groupsLike(`${world.group}.replay-`)).toEqual([]);

    const away = join(world.folder, 'away.yaml');
    writeFileSync(away, 'data: ./data\nkafka: { brokers: ["127.0.0.1:9"], topics: [{ name: t }] }\n');
    const [lost, without, unanswered] = await Promise.all([
      cli('--replay', '--config', world.file, '--data', join(world.folder, 'lost')),
      cli('--replay', '--data', join(world.folder, 'cut')),
      cli('--replay', '--config', away),
    ]);
    expect(lost.exit).toBe(1);
    expect(rowsOf(lost.out)).toContainEqual({
      kind: 'finding',
      class: 'replay-lost',
      tree: `main.${world.topic}/0/0`,
      // The topic has deleted it meanwhile too: that a record is lost the signed size tells, not which.
      detail: `${each} records were signed, and topic and store have ${each - 1}`,
      offset: String(each),
    });
    expect([without.exit, without.err]).toEqual([64, expect.stringContaining('--config')]);
    expect([unanswered.exit, unanswered.err]).toEqual([69, expect.stringContaining('KW_BROKER')]);

    await withAdmin(world.addresses, (admin) => admin.deleteTopics({ topics: [world.topic] }));
    const gone = await cli('--replay', '--config', world.file);
    expect(gone.exit).toBe(3);
    expect(rowsOf(gone.out).filter((row) => row.kind === 'replay')).toMatchObject([
      { partition: 0, status: 'gone' },
      { partition: 1, status: 'gone' },
    ]);
  }, 120_000);

  async function groupsLike(prefix: string): Promise<string[]> {
    const { groups } = await withAdmin(world.addresses, (admin) => admin.listGroups());
    return groups.map((g) => g.groupId).filter((id) => id.startsWith(prefix));
  }
});
