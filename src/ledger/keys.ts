import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { writeAtomically } from './keyFile.ts';
import { type Signer, strictBase64 } from './note.ts';

/** Who this log is: made once, with the data directory. A directory begun anew is another log. */
export interface LogIdentity {
  /** 16 hex digits, in every origin and anchor line. */
  readonly logId: string;
  /** The 32 bytes of RFC 8032 of the key that signs now. */
  readonly publicKey: Buffer;
}

/** Whoever signs: a key on this disk here, or a service that keeps it. */
export interface LedgerKeys extends LogIdentity, Signer {
  /** False when the key lies on the disk in plain. */
  readonly isEncrypted: boolean;
  /** Why it cannot sign; undefined = it can. */
  readonly lost: string | undefined;
  /** Why it may sign nothing but what hands the log over to the next key, which is kept elsewhere. */
  readonly handsOver?: string;
  /** This key, if it is here and not yet the log's own: of a rollover that was begun and not ended. */
  waiting(publicKey: Buffer): NextKey | undefined;
  /** Makes the key that shall follow. Nothing else changes. */
  next(): Promise<NextKey>;
}

/** The key that follows. */
export interface NextKey extends Signer {
  /**
   * Makes it the log's own and destroys the private key before it; only when the meta-log says so already. Cut short
   * by a crash it is done again: `waiting` then gives this key.
   */
  take(): Promise<void>;
}

export const ledgerFolder = (dataDir: string) => join(dataDir, 'ledger');
export const identityFile = 'log.txt';

/** Log id and public key, without the private key: what `verify` needs. Undefined = no ledger here yet. */
export function readIdentity(dataDir: string): LogIdentity | undefined {
  const path = join(ledgerFolder(dataDir), identityFile);
  if (!existsSync(path)) return undefined;
  const m = /^([0-9a-f]{16}) ([A-Za-z0-9+/]{43}=)\n$/.exec(readFileSync(path, 'utf8'));
  const publicKey = m ? strictBase64(m[2] as string) : undefined;
  if (!m || publicKey?.length !== 32) {
    throw new KeywitnessError('KW_KEY', `${path} is not what this program wrote: LOGID and public key.`);
  }
  return { logId: m[1] as string, publicKey };
}

/** Says who the log is and which key signs now: whole or not at all, whenever the machine stops. */
export function writeIdentity(dataDir: string, { logId, publicKey }: LogIdentity): void {
  const path = join(ledgerFolder(dataDir), identityFile);
  writeAtomically(path, `${logId} ${publicKey.toString('base64')}\n`);
}
