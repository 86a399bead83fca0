import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { KeywitnessError } from '../../core/errors.ts';
import { type Cosigner, cosignatureVerifier, parseCosignatureKey } from '../cosignature.ts';
import { type Environment, keyPassphrase, openKeyFile, writeOnce } from '../keyFile.ts';
import { rawPublicKey } from '../note.ts';
import { readState, unusable, type WitnessState, writeState } from './state.ts';

export interface WitnessFiles {
  /** The private key; its public half stands in `KEY.vkey` once the witness began. */
  readonly key: string;
  readonly state: string;
  /** Under which it is known; fixed when the witness begins. */
  readonly name?: string;
}

/** Who the witness is and what it remembers. */
export interface OpenedWitness {
  readonly cosigner: Cosigner;
  readonly isKeyEncrypted: boolean;
  readonly state: WitnessState;
}

/**
 * Opens key and state, making both for a new witness. `KEY.vkey` is written after the first state: from then on a
 * missing state is a lost one, and is not begun anew.
 * @throws KW_KEY, KW_WITNESS_STATE, KW_USAGE
 */
export function openWitness({ key, state, name }: WitnessFiles, env: Environment): OpenedWitness {
  mkdirSync(dirname(key), { recursive: true, mode: 0o700 });
  const { privateKey, isEncrypted } = openKeyFile(key, keyPassphrase(env));
  const publicKey = rawPublicKey(privateKey);
  const vkeyFile = `${key}.vkey`;
  const known = existsSync(vkeyFile) ? knownName(vkeyFile, publicKey) : undefined;
  if (known !== undefined && name !== undefined && name !== known) {
    throw new KeywitnessError(
      'KW_USAGE',
      `${key} is the key of the witness ${known}. One key has one name: leave --name out, or give another --key.`,
    );
  }
  const verifier = verifierOf(known ?? name ?? defaultName(publicKey), publicKey);
  let remembered = readState(state, publicKey);
  if (remembered === undefined) {
    if (known !== undefined) throw unusable(state, `It is not there, and ${key} has cosigned before.`);
    remembered = new Map();
    writeState(state, publicKey, remembered);
  }
  if (known === undefined) writeOnce(vkeyFile, `${verifier.vkey}\n`);
  return { cosigner: { verifier, privateKey }, isKeyEncrypted: isEncrypted, state: remembered };
}

function defaultName(publicKey: Buffer): string {
  return `keywitness-witness/${publicKey.toString('hex', 0, 4)}`;
}

function verifierOf(name: string, publicKey: Buffer): Cosigner['verifier'] {
  try {
    return cosignatureVerifier(name, publicKey);
  } catch (cause) {
    throw new KeywitnessError('KW_USAGE', `--name ${name}: a name has no blank and no +.`, { cause });
  }
}

function knownName(path: string, publicKey: Buffer): string {
  const key = parseCosignatureKey(readFileSync(path, 'utf8').trim());
  if (key?.publicKey.equals(publicKey)) return key.name;
  throw new KeywitnessError('KW_KEY', `${path} is not the vkey of the key beside it. Nothing was cosigned.`);
}
