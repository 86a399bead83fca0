import { statSync } from 'node:fs';
import { checkBundle, isBundle } from './offline/bundle.ts';
import { findingList, type OfflineFinding, type OfflineVerdict, worstVerdict } from './offline/finding.ts';
import { checkProofFile, checkProofFolder } from './offline/proofs.ts';
import type { OfflineTrust } from './offline/trust.ts';

export interface OfflineResult {
  readonly path: string;
  readonly verdict: OfflineVerdict;
  /** The worst first. */
  readonly findings: readonly OfflineFinding[];
}

/**
 * What files say without their log: no store, no network, only bytes and keys. A bundle, a proof folder, or any
 * `.tlog-proof` whose `extra` is the leaf's data.
 */
export function verifyOffline(path: string, trust: OfflineTrust = {}): OfflineResult {
  const list = findingList();
  const report = (finding: OfflineFinding | undefined) => {
    if (finding !== undefined) list.report(finding);
  };
  if (!statSync(path).isDirectory()) report(checkProofFile(path, trust));
  else if (isBundle(path)) checkBundle(path, trust, list.report);
  else report(checkProofFolder(path, trust));
  const findings = list.findings();
  return { path, verdict: worstVerdict(findings), findings };
}
