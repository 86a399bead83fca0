import type { Action } from '../../core/event.ts';
import type { Meaning } from './meaning.ts';

/** One row of the map: where below `sys/`, what it is about, what looking and changing are called. */
interface SystemArea {
  readonly at: RegExp;
  readonly kind: string;
  readonly look: Action;
  readonly change: Action;
}

/**
 * First match wins. Looking at settings tells names (list), never values; the exceptions read what the barrier
 * protects (raw, snapshot).
 * @see https://developer.hashicorp.com/vault/api-docs/system
 */
// biome-ignore format: a table reads better in rows
const areas: readonly SystemArea[] = [
  { at: /^polic(?:y|ies)(?:\/|$)/, kind: 'policy', look: 'list', change: 'policy-change' },
  { at: /^audit-hash\//, kind: 'audit_device', look: 'other', change: 'other' },
  { at: /^(?:audit|config\/auditing)(?:\/|$)/, kind: 'audit_device', look: 'list', change: 'config-audit' },
  { at: /^(?:seal|unseal|init|step-down|rekey|rekey-recovery-key|generate-root|generate-recovery-token)(?:\/|$)/, kind: 'other', look: 'seal', change: 'seal' },
  { at: /^rotate(?:\/|$)/, kind: 'key', look: 'list', change: 'rotate' },
  { at: /^leases\/renew|^renew/, kind: 'lease', look: 'renew', change: 'renew' },
  { at: /^leases\/revoke|^revoke/, kind: 'lease', look: 'revoke', change: 'revoke' },
  { at: /^leases\/lookup/, kind: 'lease', look: 'list', change: 'list' },
  { at: /^leases(?:\/|$)/, kind: 'lease', look: 'list', change: 'admin' },
  { at: /^wrapping\/unwrap$/, kind: 'token', look: 'read', change: 'read' },
  { at: /^wrapping\/lookup$/, kind: 'token', look: 'list', change: 'list' },
  { at: /^wrapping\//, kind: 'token', look: 'issue', change: 'issue' },
  { at: /^storage\/raft\/snapshot/, kind: 'other', look: 'export', change: 'restore' },
  { at: /^(?:raw|storage\/raw)(?:\/|$)/, kind: 'other', look: 'read', change: 'admin' },
  { at: /^(?:capabilities|internal|tools|health|leader|seal-status|ha-status|host-info|license\/status|metrics|pprof|version-history|monitor)/, kind: 'other', look: 'list', change: 'list' },
  { at: /^(?:mounts|auth|remount)(?:\/|$)/, kind: 'mount', look: 'list', change: 'admin' },
];
const otherwise = { kind: 'other', look: 'list', change: 'admin' } as const;

/** `rest` is the path below `sys/`. */
export function system(rest: string, operation: string): Meaning {
  const area = areas.find((a) => a.at.test(rest)) ?? otherwise;
  const isLook = operation === 'read' || operation === 'list' || operation === 'scan' || operation === 'help';
  const action = isLook ? (operation === 'read' ? area.look : lookAction(area.look)) : area.change;
  const lease = /^(?:leases\/)?revoke-(?:prefix|force)\/(.+)$/.exec(rest)?.[1];
  return lease === undefined ? { action, kind: area.kind } : { action, kind: area.kind, object: lease };
}

/** Listing names never gives a value, not even below `raw`. */
function lookAction(look: Action): Action {
  return look === 'read' || look === 'export' ? 'list' : look;
}
