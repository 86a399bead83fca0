import { readFileSync } from 'node:fs';
import { witnessOptions } from '../../app/anchors.ts';
import { loadConfig } from '../../config/config.ts';
import { KeywitnessError } from '../../core/errors.ts';
import { type VerifyReport, verdictExits, worstFirst, worstVerdict } from '../../ledger/audit/findings.ts';
import { auditWitnessed, type WitnessTrust } from '../../ledger/audit/witnessed.ts';
import { readPolicy, type TrustPolicy } from '../../ledger/policy.ts';
import type { Engine } from '../../store/client.ts';

/** Who vouches for the log from outside: the witnesses of the configuration and of the policy. */
export function witnessTrust(flags: {
  readonly policy?: string;
  readonly config?: string;
}): WitnessTrust | undefined {
  const policy = flags.policy === undefined ? undefined : policyOf(flags.policy);
  const reachable = flags.config === undefined ? [] : loadConfig(flags.config).witnesses.map(witnessOptions);
  const known = [...(policy?.witnesses ?? []), ...reachable.map((w) => w.key)];
  if (policy === undefined && known.length === 0) return undefined;
  // One witness may stand in both; its lines are checked once.
  const keys = known.filter((key, i) => known.findIndex((k) => k.vkey === key.vkey) === i);
  return { keys, reachable, ...(policy === undefined ? {} : { policy }) };
}

/** A C2SP tlog-policy. @throws KW_USAGE when it cannot be read, KW_CONFIG with file:line */
export function policyOf(path: string): TrustPolicy {
  try {
    return readPolicy(readFileSync(path), path);
  } catch (cause) {
    if (cause instanceof KeywitnessError) throw cause;
    throw new KeywitnessError('KW_USAGE', `${path} cannot be read.`, { cause });
  }
}

/** The report with what the witnesses say. */
export async function withWitnesses(
  report: VerifyReport,
  engine: Engine,
  trust: WitnessTrust,
  now: number,
): Promise<VerifyReport> {
  const audit = await auditWitnessed(engine, report.logId, trust, now);
  const findings = worstFirst([...report.findings, ...audit.findings]);
  const verdict = worstVerdict(findings);
  return {
    ...report,
    findings,
    verdict,
    exit: verdictExits[verdict],
    exposure: { ...report.exposure, newestWitnessed: audit.newest },
    notes: [...report.notes, ...audit.notes],
  };
}
