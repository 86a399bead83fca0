import { type AuditEvent, blankEvent } from '../../src/core/event.ts';

/** An event with the given fields; `at` is ISO 8601. */
export function eventAt(at: string, fields: Partial<AuditEvent> = {}): AuditEvent {
  return { ...blankEvent(), time: BigInt(Date.parse(at)) * 1_000_000n, outcome: 'allowed', ...fields };
}
