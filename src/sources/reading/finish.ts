import type { AuditEvent } from '../../core/event.ts';
import { aheadMsMax, timeMaxMs, timeMinMs } from './time.ts';

/** Longest text a field keeps (UTF-16 units); docs/events.md. Fields not named here keep `otherCharsMax`. */
const charsMax = {
  actor_id: 512,
  actor_role: 512,
  acting_as: 512,
  target_actor: 512,
  outcome_reason: 512,
  lease_id: 512,
  object_id: 1024,
  user_agent: 1024,
  request_id: 128,
  client_id: 128,
} as const;
const otherCharsMax = 256;
const listMax = {
  correlation_ids: 16,
  actor_groups: 256,
  actor_policies: 256,
  objects: 1000,
  granted_by: 16,
} as const;
/** An element of a list, and a key or value of `workload`. */
const elementCharsMax = 512;
export const exposedMax = 64;

/** False when the event's time cannot be and the record has none to stand in for it. */
export function settleTime(event: AuditEvent, recordTimeMs: number): boolean {
  const latest = recordTimeMs > 0 ? recordTimeMs + aheadMsMax : timeMaxMs;
  const ms = event.time / 1_000_000n;
  if (ms >= timeMinMs && ms <= latest && ms <= timeMaxMs) return true;
  if (recordTimeMs < timeMinMs || recordTimeMs > timeMaxMs) return false;
  event.time = BigInt(Math.floor(recordTimeMs)) * 1_000_000n;
  event.time_quality = 'record';
  event.flags.push('time_absurd');
  return true;
}

/** Cuts what is longer than its column allows, and says so in `flags`. */
export function cutToLength(event: AuditEvent): void {
  const fields = event as unknown as Record<string, unknown>;
  let isCut = false;
  for (const key in fields) {
    const value = fields[key];
    if (typeof value === 'string') {
      if (value.length <= 128) continue;
      const max = charsMax[key as keyof typeof charsMax] ?? otherCharsMax;
      if (value.length > max) {
        fields[key] = cut(value, max);
        isCut = true;
      }
    } else if (Array.isArray(value) && value.length > 0) {
      const max = listMax[key as keyof typeof listMax] ?? exposedMax;
      if (value.length > max || value.some((v: string) => v.length > elementCharsMax)) {
        fields[key] = value.slice(0, max).map((v: string) => cut(v, elementCharsMax));
        isCut = true;
      }
    }
  }
  for (const key in event.workload) {
    const value = event.workload[key] ?? '';
    if (value.length > elementCharsMax) {
      event.workload[key] = cut(value, elementCharsMax);
      isCut = true;
    }
  }
  if (isCut) event.flags.push('truncated');
}

/** Never half of a surrogate pair: the store takes UTF-8 only. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}
