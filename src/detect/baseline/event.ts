import type { AuditEvent, Enrichment } from '../../core/event.ts';

type FromEvent =
  | 'source'
  | 'request_id'
  | 'session_id'
  | 'action'
  | 'operation'
  | 'outcome'
  | 'flags'
  | 'actor_id'
  | 'actor_kind'
  | 'actor_name'
  | 'actor_role'
  | 'target_actor'
  | 'object_kind'
  | 'object_id'
  | 'object_mount'
  | 'src_ip'
  | 'user_agent';

/** What a baseline sees of an event: a narrow projection of `events`, finals only, in event-time order. */
export interface BaselineEvent
  extends Pick<AuditEvent, FromEvent>,
    Pick<
      Enrichment,
      | 'env'
      | 'actor_env'
      | 'team'
      | 'secret'
      | 'identity'
      | 'identity_kind'
      | 'network'
      | 'geo_country'
      | 'asn'
      | 'marks'
    > {
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
