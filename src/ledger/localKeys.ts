import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import {
  createKeyFile,
  destroyKeyFile,
  type Environment,
  type KeyFile,
  keyPassphrase,
  readKeyFile,
  syncFolder,
} from './keyFile.ts';
import {
  identityFile,
  type LedgerKeys,
  ledgerFolder,
  type NextKey,
  readIdentity,
  writeIdentity,
} from './keys.ts';
import { localSigner, rawPublicKey } from './note.ts';

/**
 * A key on this disk. The file of the key that follows lies beside it until log.txt names it: from that moment it
 * is the log's, and whatever a crash left of the key before is destroyed.
 */
const keyFile = 'signing-key.pem';
const nextFile = 'signing-key.next.pem';

const wayOut =
  'Put back the key of this data directory (KEYWITNESS_SIGNER, if another process holds it), or run `keywitness keys recover` with the offline root.';

export const localKeyFile = (dataDir: string) => join(ledgerFolder(dataDir), keyFile);

interface Place {
  readonly dataDir: string;
  readonly key: string;
  readonly next: string;
  readonly passphrase: Secret | undefined;
}

const missing = ({ key }: Place) => `${key} is missing. Nothing was signed. ${wayOut}`;

/** Reads the key and identity of DATA/ledger, making both when neither is there. @throws KW_KEY */
export function openLocalKeys(dataDir: string, env: Environment): LedgerKeys {
  const at = placeOf(dataDir, env);
  const identity = readIdentity(dataDir);
  if (identity === undefined && !existsSync(at.key)) return createKeys(at);
  const waiting = endRollover(at, identity?.publicKey);
  if (!existsSync(at.key) && identity !== undefined) {
    if (waiting === undefined) throw new KeywitnessError('KW_KEY', missing(at));
    return keysOf(at, identity.logId, identity.publicKey, undefined, waiting);
  }
  const current = readKeyFile(at.key, at.passphrase);
  if (identity === undefined || !rawPublicKey(current.privateKey).equals(identity.publicKey)) {
    throw new KeywitnessError(
      'KW_KEY',
      `${at.key} is not the key ${join(ledgerFolder(dataDir), identityFile)} names. Nothing was signed. ` +
        wayOut,
    );
  }
  return keysOf(at, identity.logId, identity.publicKey, current, waiting);
}

/** For a log whose signing key is lost or stolen: it can do nothing but name the key that follows. @throws KW_KEY */
export function openLostLocalKeys(dataDir: string, env: Environment): LedgerKeys {
  const at = placeOf(dataDir, env);
  const identity = readIdentity(dataDir);
  if (identity === undefined) {
    throw new KeywitnessError(
      'KW_KEY',
      `${join(ledgerFolder(dataDir), identityFile)} is missing. Nothing was changed. Write it again as one line, LOGID ` +
        'and the public key, as the last `key` line of the anchor file has them.',
    );
  }
  return keysOf(at, identity.logId, identity.publicKey, undefined, endRollover(at, identity.publicKey));
}

function placeOf(dataDir: string, env: Environment): Place {
  const folder = ledgerFolder(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passphrase = keyPassphrase(env);
  return { dataDir, key: localKeyFile(dataDir), next: join(folder, nextFile), passphrase };
}

/** The key that follows, if there is one; when log.txt names it already, what was left to do is done instead. */
function endRollover(at: Place, named: Buffer | undefined): KeyFile | undefined {
  if (!existsSync(at.next)) return undefined;
  const next = readKeyFile(at.next, at.passphrase);
  if (named === undefined || !rawPublicKey(next.privateKey).equals(named)) return next;
  replaceKey(at);
  return undefined;
}

function replaceKey(at: Place): void {
  destroyKeyFile(at.key);
  renameSync(at.next, at.key);
  syncFolder(ledgerFolder(at.dataDir));
}

function keysOf(
  at: Place,
  logId: string,
  publicKey: Buffer,
  current: KeyFile | undefined,
  waiting: KeyFile | undefined,
): LedgerKeys {
  const nextKey = ({ privateKey }: KeyFile): NextKey => ({
    ...localSigner(privateKey),
    take: async () => {
      writeIdentity(at.dataDir, { logId, publicKey: rawPublicKey(privateKey) });
      replaceKey(at);
    },
  });
  const lost = current === undefined ? missing(at) : undefined;
  return {
    logId,
    publicKey,
    sign:
      current === undefined
        ? () => Promise.reject(new KeywitnessError('KW_KEY', `${lost}`))
        : localSigner(current.privateKey).sign,
    isEncrypted: current?.isEncrypted === true,
    lost,
    waiting: (key) =>
      waiting !== undefined && rawPublicKey(waiting.privateKey).equals(key) ? nextKey(waiting) : undefined,
    next: async () => {
      rmSync(at.next, { force: true });
      return nextKey(createKeyFile(at.next, at.passphrase));
    },
  };
}

/**
 * As a rollover without a key before it: from the moment log.txt names the key it is the log's. A key that was made
 * when a first start was cut short signed nothing and is made anew.
 */
function createKeys(at: Place): LedgerKeys {
  rmSync(at.next, { force: true });
  const created = createKeyFile(at.next, at.passphrase);
  const identity = { logId: randomBytes(8).toString('hex'), publicKey: rawPublicKey(created.privateKey) };
  writeIdentity(at.dataDir, identity);
  replaceKey(at);
  return keysOf(at, identity.logId, identity.publicKey, created, undefined);
}
