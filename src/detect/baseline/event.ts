import type { AuditEvent, Enrichment } from '../../core/event.ts';

// biome-ignore format: lists of names read better in rows
const fromEvent = [
  'source', 'request_id', 'session_id', 'action', 'operation', 'outcome', 'flags', 'actor_id', 'actor_kind',
  'actor_name', 'actor_role', 'target_actor', 'object_kind', 'object_id', 'object_mount', 'src_ip', 'user_agent',
] as const;
// biome-ignore format: lists of names read better in rows
const fromEnrichment = [
  'env', 'actor_env', 'team', 'secret', 'identity', 'identity_kind', 'network', 'geo_country', 'asn', 'marks',
] as const;

/** Fields that documents may name. */
export const baselineFields: readonly string[] = [...fromEvent, ...fromEnrichment];

/** What a baseline sees of an event: a narrow projection of `events`, finals only, in event-time order. */
export interface BaselineEvent
  extends Pick<AuditEvent, (typeof fromEvent)[number]>,
    Pick<Enrichment, (typeof fromEnrichment)[number]> {
  /** `stream/partition/epoch/offset/idx`. */
  readonly ref: string;
  /** Milliseconds of event time. */
  readonly timeMs: number;
}

/** Who it is about: the identity, else what the record has instead of one (lessons-detection, 7). */
export function entityOf(event: BaselineEvent): string {
  return (
    event.identity || event.actor_id || event.target_actor || event.src_ip || event.object_id || event.source
  );
}
