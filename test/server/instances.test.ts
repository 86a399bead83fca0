import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { hasEnded, InstanceWorld, until } from '../campaign/instanceWorld.ts';
import { Broker } from '../support/broker.ts';
import { brokers, describeKafka, withAdmin, withControlTopic } from '../support/kafka.ts';

let addresses: string[];
let world: InstanceWorld;

describeKafka('several instances on one server', () => {
  beforeAll(async () => {
    addresses = await brokers();
    await withControlTopic(addresses);
  });
  afterEach(() => world.close());

  it('share the partitions; a loss that any of them meets is told once; the last one ends the log', async () => {
    world = await InstanceWorld.open(addresses);
    await world.two();
    const writers = `SELECT uniqExact(writer) AS n FROM kw.records WHERE ${world.ofTopic}`;
    await until('both have stored', async () => (await world.number(writers)) > 1);
    await world.endAll();
    expect(await world.metaCount('stop')).toBe(1);
    expect(await world.faults('a')).toEqual([]);

    const [from, lost] = [world.sent, 20];
    await world.send(lost + 30);
    await withAdmin(addresses, async (admin) => {
      // The client deletes only in topics that it has asked about.
      await admin.fetchTopicOffsets(world.topic);
      const ends = [0, 1, 2].map((partition) => ({ partition, offset: String(from + lost) }));
      await admin.deleteTopicRecords({ topic: world.topic, partitions: ends });
    });
    await world.start('a');
    await world.start('b');
    const ended = `SELECT uniqExact(partition) AS n FROM kw.records WHERE ${world.ofTopic} AND offset = ${world.sent - 1}`;
    await until('everything that is left is stored', async () => (await world.number(ended)) === 3);
    const told = "SELECT uniqExact(id) AS n FROM kw.alerts WHERE rule = 'keywitness.gap'";
    await until('every loss is told', async () => (await world.number(told)) === 3);
    const gaps = await world.engine.rows("SELECT text FROM kw.meta WHERE kind = 'gap'");
    expect(gaps.map((r) => String(r.text).split('\n').slice(3).join(' ').trim()).sort()).toEqual(
      [0, 1, 2].map((p) => `tree main.${world.topic}/${p}/0 first ${from} last ${from + lost - 1}`),
    );
    await world.endAll();
    const { exit, rows } = world.verify('a');
    expect([exit, rows.filter((r) => r.kind === 'finding').map((r) => r.class)]).toEqual([
      0,
      ['gap', 'gap', 'gap'],
    ]);
  }, 300_000);

  it('the keeper of the log is frozen and revived, then killed: the other takes over, nothing is lost or stored twice', async () => {
    world = await InstanceWorld.open(addresses);
    const [a, b] = await world.two();
    const frozen = await world.keeper();
    const other = frozen === a ? b : a;
    // Records on their way to it when it stops: what it does with them when it goes on is what this is about.
    const sending = world.send(100);
    frozen.child.kill('SIGSTOP');
    await sending;
    await world.send(200);
    await world.allStored();
    expect(await world.keeper([other])).toBe(other);
    frozen.child.kill('SIGCONT');
    await world.send(50);
    await until('it has joined again', () => frozen.log().split('partitions_assigned').length > 2);
    await world.send(50);
    await world.allStored();

    const killed = await world.keeper();
    const starts = await world.metaCount('start');
    await world.kill(killed);
    await world.send(100);
    await world.allStored();
    const left = await world.keeper();
    expect(left).toBe(killed === a ? b : a);
    expect(await world.metaCount('start')).toBe(starts + 1);
    const beats = await world.metaCount('heartbeat');
    await until('a heartbeat is written', async () => (await world.metaCount('heartbeat')) > beats);
    await world.endAll();
    expect(await world.faults(left.name)).toEqual([]);
  }, 300_000);

  it('an instance with a log of its own is refused', async () => {
    world = await InstanceWorld.open(addresses);
    const a = await world.start('a');
    await until('the log is signed', async () => (await world.metaCount('start').catch(() => 0)) > 0);
    rmSync(join(world.folder, 'ledger'), { recursive: true });
    await openKeys(world.folder, {});
    const stranger = await world.start('stranger');
    await until('it ended', () => hasEnded(stranger));
    expect([stranger.child.exitCode, stranger.log()]).toEqual([
      4,
      expect.stringMatching(/KW_KEY.*holds the log [0-9a-f]{16}, and DATA\/ledger is that of/),
    ]);
    expect(hasEnded(a)).toBe(false);
  }, 180_000);

  it('without the topic they agree over nothing is read, and the message has the command that makes it', async () => {
    const broker = await Broker.start();
    try {
      world = await InstanceWorld.open([broker.address]);
      await world.send(1);
      const a = await world.start('a');
      await until('it ended', () => hasEnded(a));
      expect(a.child.exitCode).toBe(4);
      expect(a.log()).toMatch(
        /KW_CONTROL: .*keywitness\.control is not there.*--create --topic keywitness\.control --partitions 1/,
      );
      expect(await world.number('SELECT count() AS n FROM kw.records')).toBe(0);
    } finally {
      await broker.remove();
    }
  }, 180_000);
});
