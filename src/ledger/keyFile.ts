import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { KeywitnessError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';

/** An Ed25519 private key in a file: PKCS#8 PEM, mode 0600, encrypted when a passphrase was given. */
export interface KeyFile {
  readonly privateKey: KeyObject;
  /** False when the key lies on the disk in plain. */
  readonly isEncrypted: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** KEYWITNESS_KEY_PASSPHRASE, else the first line of the file KEYWITNESS_KEY_PASSPHRASE_FILE names. @throws KW_KEY */
export function keyPassphrase(env: Environment): Secret | undefined {
  if (env.KEYWITNESS_KEY_PASSPHRASE) return new Secret(env.KEYWITNESS_KEY_PASSPHRASE);
  const path = env.KEYWITNESS_KEY_PASSPHRASE_FILE;
  if (!path) return undefined;
  try {
    return new Secret((readFileSync(path, 'utf8').split('\n')[0] ?? '').replace(/\r$/, ''));
  } catch (cause) {
    throw new KeywitnessError('KW_KEY', `KEYWITNESS_KEY_PASSPHRASE_FILE ${path} cannot be read.`, { cause });
  }
}

/** Makes a key and writes it; an existing file is never written over. */
export function createKeyFile(path: string, passphrase: Secret | undefined): KeyFile {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase: passphrase.reveal() }),
  });
  writeOnce(path, pem.toString());
  return { privateKey, isEncrypted: passphrase !== undefined };
}

/** @throws KW_KEY when it is missing, no Ed25519 key, or the passphrase is not its own */
export function readKeyFile(path: string, passphrase: Secret | undefined): KeyFile {
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
        'An encrypted key needs KEYWITNESS_KEY_PASSPHRASE or KEYWITNESS_KEY_PASSPHRASE_FILE.',
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

/** Written through to the disk, and only if nothing is there. */
export function writeOnce(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  writeFileSync(file, text);
  fsyncSync(file);
  closeSync(file);
}
