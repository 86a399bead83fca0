import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';

/** An Ed25519 private key in a file: PKCS#8 PEM, mode 0600, encrypted when a passphrase was given. */
export interface KeyFile {
  readonly privateKey: KeyObject;
  /** False when the key lies on the disk in plain. */
  readonly isEncrypted: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable's value, else the first line of the file that NAME_FILE names. @throws KW_KEY */
export function keyPassphrase(
  env: Environment,
  name: 'KEYWITNESS_KEY_PASSPHRASE' | 'KEYWITNESS_ROOT_PASSPHRASE' = 'KEYWITNESS_KEY_PASSPHRASE',
): Secret | undefined {
  const [value, path] = [env[name], env[`${name}_FILE`]];
  if (value) return new Secret(value);
  if (!path) return undefined;
  let line: string;
  try {
    line = (readFileSync(path, 'utf8').split('\n')[0] ?? '').replace(/\r$/, '');
  } catch (cause) {
    throw new KeywitnessError('KW_KEY', `${name}_FILE ${path} cannot be read.`, { cause });
  }
  // An empty passphrase encrypts nothing, and everything would say that it does.
  if (line === '') throw new KeywitnessError('KW_KEY', `${name}_FILE ${path} begins with no passphrase.`);
  return new Secret(line);
}

/** Makes a key and writes it, whole or not at all; an existing file is never written over. */
export function createKeyFile(path: string, passphrase: Secret | undefined): KeyFile {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase: passphrase.reveal() }),
  });
  if (existsSync(path)) throw new KeywitnessError('KW_KEY', `${path} is there already. Nothing was written.`);
  writeAtomically(path, pem.toString());
  return { privateKey, isEncrypted: passphrase !== undefined };
}

/** @throws KW_KEY when it is missing, open to others, no Ed25519 key, or the passphrase is not its own */
export function readKeyFile(path: string, passphrase: Secret | undefined): KeyFile {
  refuseOpenToOthers(path);
  try {
    const privateKey = createPrivateKey({
      key: readFileSync(path),
      ...(passphrase === undefined ? {} : { passphrase: passphrase.reveal() }),
    });
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key');
    return { privateKey, isEncrypted: isEncryptedPem(path) };
  } catch (cause) {
    throw new KeywitnessError(
      'KW_KEY',
      `${path} cannot be read${passphrase === undefined ? '' : ' with the passphrase given'}. Nothing was signed. ` +
        'An encrypted key needs its passphrase: KEYWITNESS_KEY_PASSPHRASE or KEYWITNESS_KEY_PASSPHRASE_FILE, of the ' +
        'offline root KEYWITNESS_ROOT_PASSPHRASE or KEYWITNESS_ROOT_PASSPHRASE_FILE.',
      { cause },
    );
  }
}

/** Reads the key, making it when there is none. @throws KW_KEY */
export function openKeyFile(path: string, passphrase: Secret | undefined): KeyFile {
  return existsSync(path) ? readKeyFile(path, passphrase) : createKeyFile(path, passphrase);
}

function isEncryptedPem(path: string): boolean {
  return readFileSync(path, 'utf8').startsWith('-----BEGIN ENCRYPTED PRIVATE KEY-----');
}

/** A key that others can read may have been read. */
function refuseOpenToOthers(path: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  throw new KeywitnessError(
    'KW_KEY',
    `${path} is open to other users of this machine (mode ${(mode & 0o777).toString(8).padStart(4, '0')}). Nothing was signed. ` +
      `Run \`chmod 600 ${path}\`; if somebody may have read it, replace the key too.`,
  );
}

/** Written through to the disk, and only if nothing is there. */
export function writeOnce(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

/** Replaces the file whole or not at all, whenever the machine stops. */
export function writeAtomically(path: string, text: string): void {
  const draft = `${path}.draft`;
  rmSync(draft, { force: true });
  writeOnce(draft, text);
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** Overwrites a private key where it lies, then removes it. What a disk keeps of overwritten blocks is its affair. */
export function destroyKeyFile(path: string): void {
  if (!existsSync(path)) return;
  chmodSync(path, 0o600);
  const file = openSync(path, 'r+');
  writeSync(file, randomBytes(statSync(path).size), 0, undefined, 0);
  fsyncSync(file);
  closeSync(file);
  rmSync(path);
  syncFolder(dirname(path));
}

/** A new or renamed file is lasting only when its folder is. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
