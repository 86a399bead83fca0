/** What must hold after every crash, whatever it interrupted. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { verifyStore } from '../../src/ledger/audit/verify.ts';
import { type Engine, openEmbedded } from '../../src/store/client.ts';
import type { World } from './crashWorld.ts';
import type { ReplayedRoot } from './independent.ts';

export interface CrashCount {
  readonly crashes: number;
  /** Of them, those that may have come before the process had said anything. */
  readonly silent: number;
}

/** Everything that is not as promised, in words; nothing = it held. */
export async function brokenPromises(world: World, kills: CrashCount): Promise<readonly string[]> {
  const replayed = replayedRoots(world);
  const engine = await openEmbedded(join(world.data, 'store'));
  try {
    return [
      ...(await logBroken(engine, world, replayed)),
      ...(await accountsBroken(engine, world.total())),
      ...(await startsBroken(engine, kills)),
      ...(await messagesBroken(engine, world)),
    ];
  } finally {
    await engine.close();
  }
}

function replayedRoots({ addresses, topic, total }: World): readonly ReplayedRoot[] {
  const script = join(packageRoot, 'test/campaign/independent.ts');
  const words = ['--import', 'tsx', script, addresses.join(','), topic, String(total())];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the topic cannot be read again: ${stderr}`);
  return JSON.parse(stdout) as readonly ReplayedRoot[];
}

/** `verify` says intact, and each root is the one a stranger computes from the topic. */
async function logBroken(
  engine: Engine,
  { data, anchor, topic }: World,
  replayed: readonly ReplayedRoot[],
): Promise<string[]> {
  const report = await verifyStore({ engine, dataDir: data, anchorFile: anchor, now: Date.now() });
  const broken = report.findings.map((f) => `verify: ${f.class} ${f.tree}/${f.offset}: ${f.detail}`);
  if (report.exit !== 0) broken.push(`verify exits ${report.exit}`);
  if (report.trees.length !== replayed.length)
    broken.push(`${report.trees.length} trees, not ${replayed.length}`);
  for (const { partition, records, root } of replayed) {
    const tree = report.trees.find(
      (t) => t.stream === `main.${topic}` && t.partition === partition && t.epoch === 0,
    );
    if (tree?.records !== records)
      broken.push(`partition ${partition}: ${tree?.records} records, not ${records}`);
    if (tree?.root !== root) broken.push(`partition ${partition}: root ${tree?.root}, not ${root}`);
    if (tree?.signed !== records)
      broken.push(`partition ${partition}: ${tree?.signed} signed, not ${records}`);
  }
  return broken;
}

const at = 'stream, partition, epoch, offset, idx';
/** Each counts what must not be. */
const never = {
  'offsets stored twice': 'SELECT count() - uniqExact(stream, partition, epoch, offset) AS n FROM kw.records',
  'parts with more than one row': `SELECT count() - uniqExact(${at}) AS n FROM (SELECT ${at} FROM kw.events UNION ALL SELECT ${at} FROM kw.set_aside)`,
  'hits doubled': `SELECT count() - uniqExact(rule, ${at}) AS n FROM kw.hits`,
  'hits that differ from their events': `SELECT (SELECT sum(length(hits)) FROM kw.events) - (SELECT count() FROM kw.hits) AS n`,
  'records without a row':
    'SELECT count() AS n FROM kw.records AS r LEFT ANTI JOIN (SELECT stream, partition, epoch, offset FROM kw.events UNION ALL ' +
    'SELECT stream, partition, epoch, offset FROM kw.set_aside) AS d USING (stream, partition, epoch, offset)',
  'meta leaves doubled': 'SELECT count() - uniqExact(`index`) AS n FROM kw.meta',
} as const;

async function accountsBroken(engine: Engine, total: number): Promise<string[]> {
  const broken: string[] = [];
  const number = async (sql: string) => Number((await engine.rows(sql))[0]?.n);
  for (const [what, sql] of Object.entries(never)) {
    const n = await number(sql);
    if (n !== 0) broken.push(`${what}: ${n}`);
  }
  const parts = await number(
    'SELECT (SELECT count() FROM kw.events) + (SELECT count() FROM kw.set_aside) AS n',
  );
  const records = await number('SELECT count() AS n FROM kw.records');
  if (records !== total || parts !== total)
    broken.push(`${records} records and ${parts} parts, not ${total}`);
  return broken;
}

/** Every crash stands in the meta-log: a start after no stop, for each run that had begun to write. */
async function startsBroken(engine: Engine, { crashes, silent }: CrashCount): Promise<string[]> {
  const rows = await engine.rows("SELECT text FROM kw.meta WHERE kind = 'start' ORDER BY `index`");
  const after = rows.map((r) => /^after (.*)$/m.exec(String(r.text))?.[1]);
  const told = after.filter((a) => a === 'no-stop').length;
  const isTold = told <= crashes && told >= crashes - silent;
  return isTold ? [] : [`starts after ${after.join(', ')}: not ${crashes} times no-stop`];
}

/** Each alert that calls people reached the receiver, and none twice: an unanswered post is looked for first. */
async function messagesBroken(engine: Engine, { slack }: World): Promise<string[]> {
  const broken: string[] = [];
  const names = slack.posted.map((p) => (p.metadata as { event_payload: { id: string } }).event_payload.id);
  const keys = new Set(names.map((n) => n.split('/')[0]));
  for (const name of names) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) broken.push(`message ${name} was posted twice`);
  }
  const rows = await engine.rows(
    "SELECT id, severity, title, rule FROM kw.alerts FINAL WHERE replaced_by = '' AND severity IN ('medium', 'high', 'critical')",
  );
  for (const r of rows) {
    if (keys.has(String(r.id))) continue;
    const steps = await engine.rows(
      'SELECT channel, state, reason FROM kw.deliveries WHERE key = {id:String} ORDER BY seq',
      { id: String(r.id) },
    );
    broken.push(`nobody was told of ${r.severity} ${r.title} (${r.id}): ${JSON.stringify(steps)}`);
  }
  return broken;
}
