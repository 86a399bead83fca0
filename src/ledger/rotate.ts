import { KeywitnessError } from '../core/errors.ts';
import type { KeyEra, RegisteredRoot } from './keyHistory.ts';
import { Ledger } from './ledger.ts';
import type { LedgerOptions } from './ledgerOptions.ts';
import type { Signer } from './note.ts';

/** What became of a rollover. */
export interface Rotated {
  readonly logId: string;
  /** The key before and the one in force now. */
  readonly before: KeyEra;
  readonly now: KeyEra;
  /** A rollover that a crash had cut short was ended, and no other one begun. */
  readonly isResumed: boolean;
}

/**
 * The key that signs is replaced: the old one pins everything, endorses the new one and is destroyed. Cut short
 * anywhere, either the old key goes on or whoever opens the ledger next ends it.
 */
export function rotateKeys(options: LedgerOptions): Promise<Rotated> {
  return withLedger({ ...options, purpose: 'rotate' }, async (ledger) => {
    await ledger.start();
    const isResumed = wasResumed(options, ledger);
    if (!isResumed) {
      await ledger.heartbeat();
      await ledger.rollover(await options.keys.next());
    }
    return rotated(ledger, isResumed);
  });
}

/**
 * The key that signs was lost or stolen: the offline root endorses another one, and only that one is valid from
 * here on. @throws KW_KEY when this root was not registered before
 */
export function recoverKeys(options: LedgerOptions, root: Signer): Promise<Rotated> {
  return withLedger({ ...options, purpose: 'recover' }, async (ledger) => {
    const registered = ledger.keys.root()?.publicKey;
    if (registered?.equals(root.publicKey) !== true) {
      const known =
        registered === undefined ? 'none was registered' : `it is ${registered.toString('base64')}`;
      throw new KeywitnessError(
        'KW_KEY',
        `This is not the offline root of the log: ${known}. Nothing was changed.`,
      );
    }
    await ledger.start();
    const isResumed = wasResumed(options, ledger);
    if (!isResumed) await ledger.rollover(await options.keys.next(), root);
    return rotated(ledger, isResumed);
  });
}

/** Where the offline root's private key lies or will lie. */
export interface RootFile {
  /** Undefined = there is none yet. */
  read(): Signer | undefined;
  make(): Signer;
}

/** Registers the offline root; the same one again changes nothing. @throws KW_KEY when another one is registered */
export function registerRoot(options: LedgerOptions, file: RootFile): Promise<RegisteredRoot> {
  return withLedger(options, async (ledger) => {
    const known = ledger.keys.root();
    const root = file.read() ?? (known === undefined ? file.make() : undefined);
    if (root === undefined || (known !== undefined && !known.publicKey.equals(root.publicKey))) {
      throw new KeywitnessError(
        'KW_KEY',
        `The log has an offline root, ${known?.publicKey.toString('base64')}, and a log has one. Nothing was changed.`,
      );
    }
    await ledger.start();
    if (known === undefined) await ledger.registerRoot(root);
    return ledger.keys.root() as RegisteredRoot;
  });
}

/** Opening the ledger ends a rollover that was cut short. */
function wasResumed({ keys }: LedgerOptions, ledger: Ledger): boolean {
  return keys.waiting(ledger.publicKey) !== undefined;
}

function rotated(ledger: Ledger, isResumed: boolean): Rotated {
  const [before, now] = ledger.keys.eras().slice(-2) as [KeyEra, KeyEra];
  return { logId: ledger.logId, before, now, isResumed };
}

async function withLedger<T>(options: LedgerOptions, run: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await Ledger.open(options);
  try {
    const result = await run(ledger);
    await ledger.stop();
    return result;
  } catch (error) {
    await ledger.abandon();
    throw error;
  }
}
