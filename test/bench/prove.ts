/**
 * `npx tsx test/bench/prove.ts [--events N] [--proofs N]`: how long one proof takes beside a large log, in the
 * process that has the store open; how large it is; and what the ledger keeps of an event on the disk and in memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/core/clock.ts';
import { proveEvent, type TilesOf } from '../../src/ledger/audit/prove.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { openKeys } from '../../src/ledger/openKeys.ts';
import { defaultStreamSettings } from '../../src/sources/source.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import { openLedgerStore } from '../../src/store/ledgerStore.ts';
import { migrate } from '../../src/store/migrate.ts';

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    proofs: { type: 'string', default: '500' },
  },
});
const events = Number(flags.events);
const proofs = Number(flags.proofs);
const key = { stream: 'main.bench', partition: 0, epoch: 0 };
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Leaf text v1 of a keyless record without headers, in the engine's own words (docs/ledger.md). */
const nothing = "lower(hex(SHA256('')))";
const leaf =
  "SHA256(concat(char(0), 'keywitness-leaf/v1\\nmain\\nbench\\n0\\n0\\n', toString(number), '\\n1767225600000\\n', " +
  `${nothing}, '\\n', ${nothing}, '\\n', lower(hex(SHA256(value))), '\\n1\\n'))`;

/** Records that only the engine writes: what is measured is a proof, not the intake. */
async function fill(engine: Engine): Promise<void> {
  const chunk = 1_000_000;
  for (let from = 0; from < events; from += chunk) {
    await engine.command(
      'INSERT INTO kw.records SETTINGS max_threads = 2 ' +
        `SELECT 'main.bench', 0, 0, number, fromUnixTimestamp64Milli(1767225600000), fromUnixTimestamp64Milli(1767225600000), ` +
        `'', [], 1, concat('{"n":', toString(number), '}') AS value, 0, 0, ${leaf} FROM numbers(${from}, ${Math.min(chunk, events - from)})`,
    );
  }
}

async function bytesOf(engine: Engine, where: string): Promise<number> {
  const [row] = await engine.rows(
    `SELECT sum(column_bytes_on_disk) AS b FROM system.parts_columns WHERE database = 'kw' AND active AND ${where}`,
  );
  return Number(row?.b ?? 0) / events;
}

const quantile = (sorted: readonly number[], q: number) =>
  sorted[Math.floor(sorted.length * q)] ?? Number.NaN;

const dataDir = mkdtempSync(join(tmpdir(), 'keywitness-prove-'));
const engine = await openEmbedded(join(dataDir, 'store'));
try {
  await migrate(engine);
  await fill(engine);
  const before = process.memoryUsage();
  const opened = performance.now();
  const keys = await openKeys(dataDir, {});
  const options = {
    store: openLedgerStore(engine),
    keys,
    anchorFile: `${dataDir}.anchor`,
    clock: systemClock,
  };
  const ledger = await Ledger.open(options);
  await ledger.start();
  await ledger.bind(key, { transport: 'kafka', source: '', settings: { ...defaultStreamSettings } });
  await ledger.heartbeat();
  say(`${events} events: first start with all tiles to write ${Math.round(performance.now() - opened)} ms`);
  const leafBytes = await bytesOf(engine, "table = 'records' AND column = 'leaf'");
  const tileBytes = await bytesOf(engine, "table = 'tiles'");
  say(`disk per event: leaf ${leafBytes.toFixed(1)} bytes, tiles ${tileBytes.toFixed(1)} bytes`);
  const tiles: TilesOf = (tree) => (at) => ledger.readTiles(tree, at);
  const took: number[] = [];
  let largest = 0;
  for (let i = 0; i < proofs; i += 1) {
    const offset = BigInt(Math.floor((i * 0.618_033_988_75 * events) % events));
    const start = performance.now();
    const files = await proveEvent(engine, keys, { ...key, offset, idx: 0 }, tiles, ledger.keys);
    took.push(performance.now() - start);
    const bytes = [...files].reduce((n, [name, file]) => n + (name === 'event.raw' ? 0 : file.length), 0);
    largest = Math.max(largest, bytes);
  }
  took.sort((a, b) => a - b);
  say(
    `prove: p50 ${quantile(took, 0.5).toFixed(1)} ms, p99 ${quantile(took, 0.99).toFixed(1)} ms (${proofs} proofs)`,
  );
  say(`a proof without its record: at most ${largest} bytes`);
  const heap = (process.memoryUsage().heapUsed - before.heapUsed) / 1024 / 1024;
  say(`heap more than before the ledger: ${heap.toFixed(1)} MiB`);
  await ledger.stop();
} finally {
  await engine.close();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(`${dataDir}.anchor`, { force: true });
}
