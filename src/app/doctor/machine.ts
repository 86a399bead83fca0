import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KeywitnessError } from '../../core/errors.ts';
import { loadRuleFolders, shippedRules } from '../../detect/ruleFolder.ts';
import { loadCatalog } from '../../enrich/catalog.ts';
import { type Environment, keyPassphrase, readKeyFile } from '../../ledger/keyFile.ts';
import { ageDays, keyAgeDaysMax } from '../../ledger/keyHistory.ts';
import { readIdentity } from '../../ledger/keys.ts';
import { lockHolder } from '../../store/lock.ts';
import { type Finding, ok } from './finding.ts';

export interface MachineOptions {
  readonly dataDir: string;
  readonly anchorFile: string;
  readonly catalogFile: string | undefined;
  readonly ruleFolders: readonly string[] | undefined;
  readonly hasWitness: boolean;
  readonly env: Environment;
  readonly now: number;
}

/** Below this a busy day does not fit any more. */
const freeBytesMin = 2 * 1024 ** 3;

/** What lies on this machine: data directory, lock, key, anchor, catalog, rules, environment. */
export function machineFindings(options: MachineOptions): Finding[] {
  const { dataDir, catalogFile, ruleFolders, env } = options;
  return [
    ...dataFindings(dataDir),
    ...keyFindings(options),
    anchorFinding(options),
    loaded('catalog', () => {
      if (catalogFile !== undefined) return `${catalogFile}: ${loadCatalog(catalogFile).hash.slice(0, 12)}`;
      return undefined;
    }),
    loaded('rules', () => `${loadRuleFolders(ruleFolders ?? [shippedRules]).rules.length} rules load`),
    threadsFinding(env),
  ];
}

function dataFindings(dataDir: string): Finding[] {
  if (!existsSync(dataDir)) {
    const fix =
      'Name the right one with --data or in the configuration; the first `keywitness ingest` or `run` makes it';
    return [{ check: 'data', state: 'missing', detail: `${dataDir} is not there`, fix }];
  }
  const found: Finding[] = [];
  if ((statSync(dataDir).mode & 0o077) !== 0) {
    const detail = `${dataDir} can be read by others: it holds the raw records and the signing key`;
    found.push({ check: 'data', state: 'wrong', detail, fix: `chmod 700 ${dataDir}` });
  }
  const { bavail, bsize } = statfsSync(dataDir);
  const free = bavail * bsize;
  if (free < freeBytesMin) {
    const detail = `${Math.floor(free / 1024 ** 2)} MiB are free below ${dataDir}`;
    found.push({
      check: 'data',
      state: 'wrong',
      detail,
      fix: 'Make room: a full disk stops the intake, and records wait in the topic',
    });
  }
  const holder = lockHolder(dataDir);
  const held = holder === undefined ? 'no process runs on it' : `process ${holder} runs on it`;
  return found.length > 0 ? found : [ok('data', `${dataDir}, ${held}`)];
}

function keyFindings({ dataDir, env, now }: MachineOptions): Finding[] {
  const path = join(dataDir, 'ledger/signing-key.pem');
  if (!existsSync(dataDir)) return [];
  try {
    if (readIdentity(dataDir) === undefined) return [ok('key', 'no log yet: the first start makes one')];
    if (env.KEYWITNESS_SIGNER) return [ok('key', `${env.KEYWITNESS_SIGNER} signs`)];
    if (!existsSync(path)) {
      const fix = 'Put back the key of this log; verify and prove work without it';
      return [{ check: 'key', state: 'missing', detail: `${path} is not there`, fix }];
    }
    const { isEncrypted } = readKeyFile(path, keyPassphrase(env));
    const days = ageDays(statSync(path).mtimeMs, now);
    const found = [];
    if (!isEncrypted) {
      const detail = `${path} is plain: whoever reads the data directory can sign`;
      const fix = 'Set KEYWITNESS_KEY_PASSPHRASE_FILE to a file elsewhere, then `keywitness keys rotate`';
      found.push({ check: 'key', state: 'advice' as const, detail, fix });
    }
    if (days > keyAgeDaysMax) {
      const detail = `the signing key is ${days} days old`;
      found.push({ check: 'key', state: 'advice' as const, detail, fix: 'keywitness keys rotate' });
    }
    return found.length > 0 ? found : [ok('key', `encrypted, ${days} days old`)];
  } catch (error) {
    if (!(error instanceof KeywitnessError)) throw error;
    return [{ check: 'key', state: 'missing', detail: error.message, fix: 'See the message' }];
  }
}

/** On the data's own disk it is lost, and rewritten, together with the data. */
function anchorFinding({ anchorFile, dataDir, hasWitness }: MachineOptions): Finding {
  const check = 'anchor';
  if (!existsSync(anchorFile)) {
    if (!existsSync(join(dataDir, 'ledger')))
      return ok(check, `${anchorFile}, to be made with the first start`);
    const detail = `${anchorFile} is not there, and ${dataDir} holds a log: what was signed before is not remembered outside it`;
    return {
      check,
      state: 'wrong',
      detail,
      fix: 'Put it back from a copy, or name where it lies with KEYWITNESS_ANCHOR_FILE',
    };
  }
  const isSameDisk = existsSync(dataDir) && statSync(dirname(anchorFile)).dev === statSync(dataDir).dev;
  if (!isSameDisk || hasWitness) return ok(check, `${anchorFile}${hasWitness ? ' and a witness' : ''}`);
  const detail = `${anchorFile} lies on the same disk as the data: who can rewrite one can rewrite the other`;
  const fix =
    'Name a file on another disk or host with `anchor:` or KEYWITNESS_ANCHOR_FILE, or a witness with `anchors:`';
  return { check, state: 'advice', detail, fix };
}

/** Something that people write by hand: it loads, or its own message says where not. */
function loaded(check: string, load: () => string | undefined): Finding {
  try {
    const detail = load();
    if (detail !== undefined) return ok(check, detail);
    const fix = 'Write catalog.yaml (docs/catalog.md) and name it with `catalog:` or --catalog';
    return { check, state: 'advice', detail: 'no catalog: environments, owners and people are unknown', fix };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { check, state: 'wrong', detail: error.message, fix: 'Correct what the message names' };
  }
}

/** The engine's threads are libuv's, and their number is read before any of our code runs (docs/store.md). */
function threadsFinding(env: Environment): Finding {
  const threads = Number(env.UV_THREADPOOL_SIZE ?? 4);
  if (threads >= 16) return ok('environment', `UV_THREADPOOL_SIZE=${threads}`);
  const detail = `UV_THREADPOOL_SIZE is ${threads}: queries and inserts of the embedded engine wait for each other`;
  return { check: 'environment', state: 'advice', detail, fix: 'export UV_THREADPOOL_SIZE=16' };
}
