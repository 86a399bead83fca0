/** A process of its own that takes in a file and is killed just before, or just after, one insert. */
import { join } from 'node:path';
import { openApp } from '../../src/app.ts';
import { systemClock } from '../../src/core/clock.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';

const [dataDir = '', file = '', table = '', moment = '', nth = '1'] = process.argv.slice(2);

function killedAt(engine: Engine): Engine {
  let inserts = 0;
  return {
    ...engine,
    async insert(into, columns, rows, token) {
      const isIt = into === table && ++inserts === Number(nth);
      if (isIt && moment === 'before') process.kill(process.pid, 'SIGKILL');
      const insert = engine.insert(into, columns, rows, token);
      if (isIt && moment === 'during') process.kill(process.pid, 'SIGKILL');
      await insert;
      if (isIt && moment === 'after') process.kill(process.pid, 'SIGKILL');
    },
  };
}

const app = await openApp({
  dataDir,
  anchorFile: `${dataDir}.anchor`,
  clock: systemClock,
  openStore: async () => killedAt(await openEmbedded(join(dataDir, 'store'))),
});
await app.ingestFile(file, { source: 'vault', settings: defaultStreamSettings, asOf: 0 });
await app.close();
