import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { createKeyFile, type Environment, keyPassphrase, readKeyFile, writeOnce } from './keyFile.ts';
import { localSigner, rawPublicKey, type Signer, strictBase64 } from './note.ts';

/** Who this log is: made once, with the data directory. A directory begun anew is another log. */
export interface LogIdentity {
  /** 16 hex digits, in every origin and anchor line. */
  readonly logId: string;
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Buffer;
}

/** Whoever signs: a key on this disk here, or a service that keeps it. */
export interface LedgerKeys extends LogIdentity, Signer {
  /** False when the key lies on the disk in plain. */
  readonly isEncrypted: boolean;
}

const folderOf = (dataDir: string) => join(dataDir, 'ledger');
const keyFile = 'signing-key.pem';
const identityFile = 'log.txt';

/** Reads the key and identity of DATA/ledger, making both when neither is there. @throws KW_KEY */
export function openKeys(dataDir: string, env: Environment): LedgerKeys {
  const folder = folderOf(dataDir);
  const passphrase = keyPassphrase(env);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(join(folder, keyFile)) && !existsSync(join(folder, identityFile))) {
    return createKeys(folder, passphrase);
  }
  const identity = readIdentity(dataDir);
  const { privateKey, isEncrypted } = readKeyFile(join(folder, keyFile), passphrase);
  if (identity === undefined || !rawPublicKey(privateKey).equals(identity.publicKey)) {
    throw new KeywitnessError(
      'KW_KEY',
      `${join(folder, keyFile)} is not the key ${join(folder, identityFile)} names. Nothing was signed. ` +
        'Put back the key made with this data directory.',
    );
  }
  return { ...localSigner(privateKey), ...identity, isEncrypted };
}

/** Log id and public key, without the private key: what `verify` needs. Undefined = no ledger here yet. */
export function readIdentity(dataDir: string): LogIdentity | undefined {
  const path = join(folderOf(dataDir), identityFile);
  if (!existsSync(path)) return undefined;
  const m = /^([0-9a-f]{16}) ([A-Za-z0-9+/]{43}=)\n$/.exec(readFileSync(path, 'utf8'));
  const publicKey = m ? strictBase64(m[2] as string) : undefined;
  if (!m || publicKey?.length !== 32) {
    throw new KeywitnessError('KW_KEY', `${path} is not what this program wrote: LOGID and public key.`);
  }
  return { logId: m[1] as string, publicKey };
}

function createKeys(folder: string, passphrase: Secret | undefined): LedgerKeys {
  // The key first: an identity whose key was lost in a crash could never sign again.
  const { privateKey, isEncrypted } = createKeyFile(join(folder, keyFile), passphrase);
  const identity = { logId: randomBytes(8).toString('hex'), publicKey: rawPublicKey(privateKey) };
  writeOnce(join(folder, identityFile), `${identity.logId} ${identity.publicKey.toString('base64')}\n`);
  return { ...localSigner(privateKey), ...identity, isEncrypted };
}
