import type { WitnessConfig } from '../config/config.ts';
import { KeywitnessError } from '../core/errors.ts';
import type { Anchor } from '../ledger/anchors/anchor.ts';
import { type WitnessAnchorOptions, witnessAnchor } from '../ledger/anchors/witness.ts';
import { parseCosignatureKey } from '../ledger/cosignature.ts';

/** Something about those who remember that people must hear of. */
export interface AnchorTrouble {
  /** `fork`: it remembers another history. `anchor`: it is away or refuses. `unsigned`: nothing can be signed or anchored at all. */
  readonly kind: 'fork' | 'anchor' | 'unsigned';
  readonly anchor: string;
  readonly sentence: string;
}

/** Told how each anchor fares. */
export interface AnchorObserver {
  kept(anchor: string, wasAway: boolean): void;
  failed(anchor: string, error: KeywitnessError, isFirst: boolean): void;
  /** Once an outage. */
  trouble(trouble: AnchorTrouble): void;
}

/** A witness may restart without anybody's sleep being disturbed: three heartbeats are half a minute. */
const failuresBeforeTrouble = 3;

/** The witnesses of the configuration. @throws KW_CONFIG when a key's id is not its own */
export function openAnchors(witnesses: readonly WitnessConfig[], observer: AnchorObserver): Anchor[] {
  return witnesses.map((witness) => watched(witnessAnchor(witnessOptions(witness)), observer));
}

/** Where a witness of the configuration is, and its key. @throws KW_CONFIG when the key's id is not its own */
export function witnessOptions({ url, key }: WitnessConfig): WitnessAnchorOptions {
  const verifier = parseCosignatureKey(key);
  if (verifier !== undefined) return { url, key: verifier };
  throw new KeywitnessError(
    'KW_CONFIG',
    `anchors.witness: ${key} is no vkey of a witness (its id is not that of its name and key). Copy the line again.`,
  );
}

/** The same anchor, whose failures are counted and told. */
export function watched(anchor: Anchor, observer: AnchorObserver): Anchor {
  const { name } = anchor;
  let failures = 0;
  /** What people were told of since it failed first. */
  const told = new Set<AnchorTrouble['kind']>();
  const tell = (kind: AnchorTrouble['kind'], sentence: string) => {
    if (told.has(kind)) return;
    told.add(kind);
    observer.trouble({ kind, anchor: name, sentence });
  };
  return {
    name,
    async keep(head) {
      try {
        const lines = await anchor.keep(head);
        observer.kept(name, failures > 0);
        failures = 0;
        told.clear();
        return lines;
      } catch (error) {
        if (!(error instanceof KeywitnessError)) throw error;
        failures += 1;
        observer.failed(name, error, failures === 1);
        if (error.code === 'KW_WITNESS_FORK') tell('fork', error.message);
        else if (failures >= failuresBeforeTrouble) tell('anchor', error.message);
        throw error;
      }
    },
    close: () => anchor.close(),
  };
}
