import { KeywitnessError } from '../../core/errors.ts';
import { metaTree } from '../../core/record.ts';
import type { Engine } from '../../store/client.ts';
import { cosignedPages, newestCheckpoint, type SignedCheckpointRow } from '../../store/ledgerStore.ts';
import { askWitness, type WitnessAnchorOptions } from '../anchors/witness.ts';
import { metaOrigin } from '../checkpoint.ts';
import { type CosignatureVerifier, cosignedAt } from '../cosignature.ts';
import { noteVerifier, openNote } from '../note.ts';
import { isEndorsed, vouching } from '../offline/trust.ts';
import type { TrustPolicy } from '../policy.ts';
import type { Finding } from './findings.ts';
import { readKeyHistory } from './keys.ts';
import { consistencyProof } from './proveSince.ts';

/** The last millisecond that can be written as a date; a witness may say any second below 2^63. */
const dateMax = 8_640_000_000_000_000;

/** Whom the reader trusts to have looked, and who can be asked now. */
export interface WitnessTrust {
  readonly keys: readonly CosignatureVerifier[];
  readonly policy?: TrustPolicy;
  readonly reachable: readonly WitnessAnchorOptions[];
}

export interface WitnessAudit {
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
  /** Milliseconds: when the newest head that counts was cosigned; 0 = never. */
  readonly newest: number;
}

/**
 * What witnesses know of this log: the cosignatures the store kept are checked, and each witness that can be asked
 * is shown the newest checkpoint. It is the only one who remembers when everything local was put back or rewritten.
 */
export async function auditWitnessed(
  engine: Engine,
  logId: string,
  trust: WitnessTrust,
  now: number,
): Promise<WitnessAudit> {
  const kept = await auditCosignatures(engine, logId, trust);
  const asked = await Promise.all(trust.reachable.map((w) => askNow(engine, logId, w)));
  const isSeen = asked.some((a) => a.isCosigned);
  const findings = [...kept.findings, ...asked.flatMap((a) => a.findings)];
  const notes = [...kept.notes, ...asked.flatMap((a) => a.notes)];
  return { findings, notes, newest: isSeen ? now : kept.newest };
}

/** Every stored cosignature of a known witness holds; with a policy its log signed, and its quorum has seen some head. */
async function auditCosignatures(
  engine: Engine,
  logId: string,
  { keys, policy }: WitnessTrust,
): Promise<WitnessAudit> {
  const findings = await auditLogKey(engine, logId, policy?.logs ?? []);
  let newest = 0;
  let size = 0;
  for await (const page of cosignedPages(engine, metaOrigin(logId))) {
    for (const row of page) {
      const opened = openNote(row.note, keys);
      if (opened.kind === 'forged') {
        const detail = `a known witness's cosignature under the checkpoint of ${row.size} leaves does not hold`;
        findings.push({ class: 'forged', tree: 'meta', detail });
      }
      if (opened.kind !== 'ok' || !(policy?.isQuorum(opened.by) ?? true)) continue;
      const times = opened.by.map((key) => Math.min(Number(cosignedAt(row.note, key) ?? 0n) * 1000, dateMax));
      // The quorum stands when its last one signed.
      newest = Math.max(newest, ...times);
      size = Math.max(size, row.size);
    }
  }
  if (newest > 0) {
    const when = new Date(newest).toISOString();
    return {
      findings,
      notes: [`the newest stored cosignature is of ${size} leaves of the meta-log, ${when}`],
      newest,
    };
  }
  if (policy !== undefined && !policy.isQuorum([])) {
    const detail = 'the store holds no checkpoint that the policy’s quorum cosigned';
    findings.push({ class: 'no-quorum', tree: 'meta', detail });
  }
  return { findings, notes: [], newest };
}

/** The newest checkpoint is signed by a log key of the policy, or by one that the log's own leaves lead to from it. */
async function auditLogKey(engine: Engine, logId: string, logs: TrustPolicy['logs']): Promise<Finding[]> {
  const origin = metaOrigin(logId);
  const newest = logs.length === 0 ? undefined : await newestCheckpoint(engine, origin);
  const trusted = vouching(logs, origin);
  if (newest === undefined || openNote(newest.note, trusted).kind === 'ok') return [];
  const [first] = trusted;
  if (first !== undefined) {
    const keys = await readKeyHistory(engine, { logId, publicKey: first.publicKey });
    const index = newest.size - 1;
    const signers = keys.signersAt(index).map((key) => noteVerifier(origin, key));
    if (openNote(newest.note, signers).kind === 'ok' && isEndorsed(keys, keys.eraAt(index), trusted))
      return [];
  }
  const detail = 'the newest checkpoint is signed by no log key of the policy';
  return [{ class: 'wrong-key', tree: 'meta', detail }];
}

async function askNow(engine: Engine, logId: string, witness: WitnessAnchorOptions) {
  const found = { findings: [] as Finding[], notes: [] as string[], isCosigned: false };
  const newest = () => newestCheckpoint(engine, metaOrigin(logId));
  const ask = (meta: SignedCheckpointRow) => {
    const consistency = (from: number) => consistencyProof(engine, metaTree, from, meta.size);
    return askWitness(witness, { time: meta.made_at, meta, consistency }, { from: 0 });
  };
  const meta = await newest();
  if (meta === undefined) return found;
  try {
    let word = await ask(meta);
    // A log that runs may have shown it a newer checkpoint in between: that one is in the store by then.
    const now = word.kind === 'rolled-back' ? await newest() : undefined;
    if (now !== undefined && now.size > meta.size) word = await ask(now);
    found.isCosigned = word.kind === 'cosigned';
    if (word.kind !== 'cosigned')
      found.findings.push({ class: word.kind, tree: 'meta', detail: word.sentence });
  } catch (error) {
    if (!(error instanceof KeywitnessError)) throw error;
    // Away is not a finding: who is not asked says nothing, and a proof that cannot be made is found by the tiles' audit.
    found.notes.push(error.message);
  }
  return found;
}
