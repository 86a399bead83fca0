import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { KeywitnessError } from '../core/errors.ts';
import { destroyKeyFile, type Environment } from './keyFile.ts';
import {
  type LedgerKeys,
  type LogIdentity,
  ledgerFolder,
  type NextKey,
  readIdentity,
  writeIdentity,
} from './keys.ts';
import { localKeyFile, openLocalKeys } from './localKeys.ts';
import type { TransitKey, TransitVersion, TransitVersions } from './transit.ts';

/**
 * A key that stays in the transit engine of Vault or OpenBao. log.txt says which version signs; a newer one waits
 * until a rollover takes it, also when the engine made it by itself. @throws KW_KEY
 */
export async function openTransitKeys(
  dataDir: string,
  env: Environment,
  key: TransitKey,
): Promise<LedgerKeys> {
  mkdirSync(ledgerFolder(dataDir), { recursive: true, mode: 0o700 });
  const versions = await key.versions();
  const identity = readIdentity(dataDir);
  if (identity === undefined && !existsSync(localKeyFile(dataDir))) {
    const made = { logId: randomBytes(8).toString('hex'), publicKey: versions.latest.publicKey };
    writeIdentity(dataDir, made);
    return keysOf(dataDir, key, made, versions, versions.latest);
  }
  const current = versions.all.find((v) => identity?.publicKey.equals(v.publicKey));
  if (identity !== undefined && current !== undefined) {
    destroyKeyFile(localKeyFile(dataDir));
    // A crash, or rights that were missing then, left versions that were to be deleted.
    if (Math.max(versions.oldest, versions.all[0]?.version ?? 0) < current.version) {
      await key.trim(current.version).catch(() => undefined);
    }
    return keysOf(dataDir, key, identity, versions, current);
  }
  // Lost, or a rollover by the root was cut short: the ledger says which.
  if (identity !== undefined && !existsSync(localKeyFile(dataDir))) {
    return keysOf(dataDir, key, identity, versions, undefined);
  }
  const local = openLocalKeys(dataDir, env);
  const ours = keysOf(dataDir, key, local, versions, undefined);
  const handsOver = `The log is signed by ${localKeyFile(dataDir)}, and KEYWITNESS_SIGNER names ${key.url}. Nothing was signed. \`keywitness keys rotate\` moves it there.`;
  return { ...ours, sign: local.sign, lost: local.lost, handsOver, isEncrypted: local.isEncrypted };
}

/** For a log whose key is lost or stolen: the next one is a version of this key. @throws KW_KEY */
export async function openLostTransitKeys(dataDir: string, key: TransitKey): Promise<LedgerKeys> {
  const identity = readIdentity(dataDir);
  if (identity === undefined)
    throw new KeywitnessError('KW_KEY', `${dataDir} holds no ledger/log.txt. Nothing was changed.`);
  return keysOf(dataDir, key, identity, await key.versions(), undefined);
}

function keysOf(
  dataDir: string,
  key: TransitKey,
  { logId, publicKey }: LogIdentity,
  { all, latest }: TransitVersions,
  current: TransitVersion | undefined,
): LedgerKeys {
  const nextKey = (version: TransitVersion): NextKey => ({
    publicKey: version.publicKey,
    sign: (bytes) => key.sign(version, bytes),
    async take() {
      writeIdentity(dataDir, { logId, publicKey: version.publicKey });
      destroyKeyFile(localKeyFile(dataDir));
      await key.trim(version.version).catch((cause: unknown) => {
        throw new KeywitnessError(
          'KW_KEY',
          `The new key is in force, and the versions before it could not be deleted at ${key.url}: let the token update ` +
            `its /config and /trim; the next start tries again.`,
          { cause },
        );
      });
    },
  });
  const isNewer = !latest.publicKey.equals(publicKey);
  const lost =
    current === undefined ? `${key.url} holds no version that log.txt names. Nothing was signed.` : undefined;
  return {
    logId,
    publicKey,
    sign: (bytes) =>
      current === undefined
        ? Promise.reject(new KeywitnessError('KW_KEY', `${lost}`))
        : key.sign(current, bytes),
    isEncrypted: true,
    lost,
    waiting: (wanted) => {
      const version = all.find((v) => v.publicKey.equals(wanted));
      return version === undefined || wanted.equals(publicKey) ? undefined : nextKey(version);
    },
    async next() {
      if (isNewer) return nextKey(latest);
      await key.rotate();
      return nextKey((await key.versions()).latest);
    },
  };
}
