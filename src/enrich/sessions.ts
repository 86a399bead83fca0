import type { AuditEvent, Enrichment } from '../core/event.ts';
import type { SessionOrigin } from '../core/session.ts';

/**
 * The session that an event begins, or undefined when it begins none. A failed login begins nothing, and an
 * attempt or a copy does not count.
 */
export function sessionOf(event: AuditEvent, enrichment: Enrichment): SessionOrigin | undefined {
  if (event.outcome !== 'allowed' || event.phase !== 'final') return undefined;
  if (event.action === 'login' && event.session_id !== '')
    return origin(event, enrichment, event.session_id, '');
  // A token made with a token: the new accessor is the object, the maker's is the session.
  if (event.action === 'issue' && event.object_kind === 'token' && event.object_id !== '') {
    if (event.object_id !== event.session_id) {
      return origin(event, enrichment, event.object_id, event.session_id);
    }
  }
  // STS names the new access key beside the role that was assumed; a wrapping token opens nothing yet.
  const issued = event.correlation_ids[0];
  const isAssumed =
    event.action === 'issue' && event.object_kind === 'role' && !event.flags.includes('wrapped');
  if (isAssumed && issued !== undefined) return origin(event, enrichment, issued, event.session_id);
  return undefined;
}

function origin(
  event: AuditEvent,
  enrichment: Enrichment,
  sessionId: string,
  parentSession: string,
): SessionOrigin {
  const issuedAt = Number(event.time / 1_000_000n);
  return {
    source: event.source,
    object_store: event.object_store,
    session_id: sessionId,
    issued_at: issuedAt,
    until: event.token_ttl > 0 ? issuedAt + event.token_ttl * 1000 : 0,
    issued_by: event.actor_id,
    identity: enrichment.identity,
    identity_kind: enrichment.identity_kind,
    auth_method: event.auth_method,
    auth_provider: event.auth_provider,
    auth_mfa: event.auth_mfa,
    src_ip: event.src_ip,
    network: enrichment.network,
    parent_session: parentSession,
    dup_key: event.dup_key,
  };
}
