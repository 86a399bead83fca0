/**
 * The service in a process of its own that kills itself, `kill -9`, at the n-th time it comes to a stage.
 * What it runs is the product as it is: each stage is met by wrapping, from outside, what stands there.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { runService } from '../../src/app/service.ts';
import { loadConfig } from '../../src/config/config.ts';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { KafkaReader } from '../../src/intake/kafkaReader.ts';
import { AnchorFile } from '../../src/ledger/anchors/file.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { notifier as slack } from '../../src/notify/slack.ts';
import { loadSources } from '../../src/sources/registry.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';
import type { CrashPlan } from './crashPlan.ts';

const [file = '', planText = '{}'] = process.argv.slice(2);
const plan = JSON.parse(planText) as Partial<CrashPlan>;
const config = loadConfig(file);

let passes = 0;
const die = () => process.kill(process.pid, 'SIGKILL');

/** Dies when this is the stage of the plan and it is come to for the n-th time. */
function pass(stage: CrashPlan['stage']): void {
  if (stage === plan.stage && ++passes === plan.nth) die();
}

function mortal(engine: Engine): Engine {
  return {
    ...engine,
    async insert(into, columns, rows, token) {
      if (into === 'kw.checkpoints') pass('before checkpoint');
      const inserted = engine.insert(into, columns, rows, token);
      // The engine writes in threads of its own: the moment of death falls where it falls.
      if (into === plan.table && plan.stage === 'mid-insert' && ++passes === plan.nth) {
        setTimeout(die, plan.delayMs);
      }
      await inserted;
      if (into === 'kw.records') pass('before read-back');
    },
  };
}

const { eachBatch } = KafkaReader.prototype;
KafkaReader.prototype.eachBatch = function (payload) {
  pass('after fetch');
  return eachBatch.call(this, payload);
};

for (const source of await loadSources()) {
  const { split } = source;
  Object.assign(source, {
    split(parsed: unknown) {
      pass('parse');
      return split(parsed);
    },
  });
}

const { extend } = Ledger.prototype;
Ledger.prototype.extend = function (key, leaves) {
  pass('before tree');
  return extend.call(this, key, leaves);
};

const { append } = AnchorFile.prototype;
AnchorFile.prototype.append = function (lines) {
  if (plan.stage === 'before anchor' && passes + 1 === plan.nth) {
    // Some bytes of the first line, all of it, or none.
    writeSync(openSync(this.path, 'a'), lines.join('').slice(0, plan.tornBytes));
  }
  pass('before anchor');
  return append.call(this, lines);
};

const { consumer } = kafkajs.Kafka.prototype;
kafkajs.Kafka.prototype.consumer = function (options) {
  const made = consumer.call(this, options);
  const { commitOffsets } = made;
  return Object.assign(made, {
    commitOffsets(offsets: Parameters<typeof commitOffsets>[0]) {
      pass('before commit');
      return commitOffsets(offsets);
    },
  });
};

const { create } = slack;
Object.assign(slack, {
  create(...args: Parameters<typeof create>) {
    const made = create(...args);
    return {
      ...made,
      async send(...message: Parameters<typeof made.send>) {
        const delivery = await made.send(...message);
        if (delivery.kind === 'delivered') pass('alert sent before recorded');
        return delivery;
      },
    };
  },
});

if (plan.stage === 'any moment') setTimeout(die, plan.delayMs);

/** Waits are shorter, so that a few seconds hold many heartbeats, rounds and messages; the time is the machine's. */
const quick: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) };
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
await runService({
  config,
  telemetry: createTelemetry(),
  clock: quick,
  openStore: async () => mortal(await openEmbedded(join(config.data, 'store'))),
  stop: stop.signal,
});
