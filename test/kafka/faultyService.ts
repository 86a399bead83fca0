/** The service in a process of its own, refused its first insert into a table, or its answer. */
import { join } from 'node:path';
import { runService } from '../../src/app/service.ts';
import { loadConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { KeywitnessError } from '../../src/core/errors.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';

const [file = '', table = '', fault = ''] = process.argv.slice(2);

function faulty(engine: Engine): Engine {
  let inserts = 0;
  const refuse = () => {
    throw new KeywitnessError('KW_STORE', 'the test said so');
  };
  return {
    ...engine,
    async insert(into, columns, rows, token) {
      const isIt = into === table && ++inserts === 1;
      if (isIt && fault === 'refused') refuse();
      await engine.insert(into, columns, rows, token);
      if (isIt && fault === 'not acknowledged') refuse();
    },
  };
}

const config = loadConfig(file);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
await runService({
  config,
  telemetry: createTelemetry(),
  clock: systemClock,
  openStore: async () => faulty(await openEmbedded(join(config.data, 'store'))),
  stop: stop.signal,
});
