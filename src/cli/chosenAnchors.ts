import { openAnchors } from '../app/anchors.ts';
import type { WitnessConfig } from '../config/config.ts';
import type { Anchor } from '../ledger/anchors/anchor.ts';
import { printable } from './output.ts';

/** The witnesses that `--config` names, for the command this process runs. */
let witnesses: readonly WitnessConfig[] = [];

/** Said once, before the command acts. */
export function chooseWitnesses(named: readonly WitnessConfig[]): void {
  witnesses = named;
}

/** Who remembers what this command signs; one that does not is named on stderr, once. */
export function openChosenAnchors(): Anchor[] {
  return openAnchors(witnesses, {
    kept: () => undefined,
    failed: (_, error, isFirst) => void (isFirst && process.stderr.write(`${printable(error.message)}\n`)),
    trouble: () => undefined,
  });
}
