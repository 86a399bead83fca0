/** How a session came to be: what `sessions` says beside the event's coordinates. Times in ms, 0 = unknown. */
export interface SessionOrigin {
  readonly source: string;
  readonly object_store: string;
  readonly session_id: string;
  readonly issued_at: number;
  readonly until: number;
  /** Canonical id of whoever had it issued: for a login the same as its holder. */
  readonly issued_by: string;
  readonly identity: string;
  readonly identity_kind: string;
  readonly auth_method: string;
  readonly auth_provider: string;
  readonly auth_mfa: string;
  readonly src_ip: string;
  readonly network: string;
  /** The session that created it; '' for a login. */
  readonly parent_session: string;
  readonly dup_key: string;
}
