import { isIP } from 'node:net';
import { type AuditEvent, blankEvent } from '../core/event.ts';
import { ok } from '../core/outcome.ts';
import { countOf, isObject, type Native, objectOf, textOf, textsOf } from './reading/fields.ts';
import { parseTime, timeMs } from './reading/time.ts';
import { isSecretWord } from './redaction/shapes.ts';
import { defineSource, type Part, type SecretPlace, type StreamSettings } from './source.ts';
import { isLogin, meaningOf } from './vault/meaning.ts';
import { placeOf, type VaultPlace, vaultId } from './vault/path.ts';

const hmac = 'hmac-sha256:';

/**
 * HashiCorp Vault and OpenBao audit devices: a request and a response entry for each call.
 * The response counts, as only it has outcome, version, lease and the identity of a login; both are kept.
 * @see https://developer.hashicorp.com/vault/docs/audit and openbao/openbao internal/audit/format.go
 */
export const source = defineSource({
  name: 'vault',
  aliases: ['openbao'],
  logsource: 'vault/audit',
  adapter: 1,
  // Devices write in order as the server works; a shipper's buffer and retry is what is late.
  latenessMs: 5 * 60_000,
  detect: (parsed) => isEntry(parsed),
  split: (parsed) => (Array.isArray(parsed) ? parsed : [parsed]),
  secretPlaces,
  normalise,
});

function isEntry(parsed: unknown): boolean {
  if (Array.isArray(parsed)) return parsed.length > 0 && isEntry(parsed[0]);
  if (!isObject(parsed) || (parsed.type !== 'request' && parsed.type !== 'response')) return false;
  return isObject(parsed.request) && typeof parsed.request.path === 'string';
}

function normalise(part: Part, settings: StreamSettings) {
  const entry = part.native as Native;
  const request = objectOf(entry.request);
  const place = placeOf(request, settings);
  const event = blankEvent();
  const time = parseTime(textOf(entry.time));
  event.time = time?.ns ?? 0n;
  event.time_quality = time?.quality ?? 'record';
  event.source = source.name;
  event.format = 'audit';
  event.adapter = source.adapter;
  event.logsource = source.logsource;
  event.request_id = textOf(request.id);
  event.source_uid = event.request_id;
  event.dup_key = event.request_id;
  event.operation = textOf(request.operation);
  const facts: Facts = { entry, request, response: objectOf(entry.response), place, settings };
  readObject(event, facts);
  readOutcome(event, facts);
  readActor(event, facts);
  readOrigin(event, request);
  readToken(event, facts);
  if (isRaw(entry, request)) event.flags.push('log_raw');
  return ok(event);
}

interface Facts {
  readonly entry: Native;
  readonly request: Native;
  readonly response: Native;
  readonly place: VaultPlace;
  readonly settings: StreamSettings;
}

function readObject(event: AuditEvent, { request, response, place, settings }: Facts): void {
  const meaning = meaningOf(place, event.operation);
  event.action = meaning.action;
  event.object_kind = meaning.kind;
  event.object_id = vaultId(settings, place.namespace, meaning.object ?? place.path);
  event.object_store = settings.store;
  event.object_account = place.namespace;
  event.object_mount = place.mount;
  event.object_mount_type = place.type;
  if (place.isKv2Assumed) event.flags.push('kv2_assumed');
  const data = objectOf(response.data);
  event.object_version =
    textOf(objectOf(data.metadata).version) || (place.kv2Segment === 'data' ? textOf(data.version) : '');
  event.lease_id = textOf(objectOf(response.secret).lease_id);
  if (meaning.kind === 'lease' && event.lease_id !== '')
    event.object_id = vaultId(settings, place.namespace, event.lease_id);
  if (event.operation === 'list' && Array.isArray(data.keys)) event.objects_total = data.keys.length;
  readWrapping(event, request, response, place);
}

/** A wrapping token is the same HMAC where it is made and where it is used up: what ties the two together. */
function readWrapping(event: AuditEvent, request: Native, response: Native, place: VaultPlace): void {
  const wrap = objectOf(response.wrap_info);
  if (isHmac(wrap.token)) {
    event.flags.push('wrapped');
    event.correlation_ids.push(wrap.token);
  }
  if (place.mount !== 'sys' || !place.rest.startsWith('wrapping/')) return;
  const token = request.client_token;
  if (isHmac(token)) {
    event.correlation_ids.push(token);
    if (place.rest === 'wrapping/unwrap') event.object_id = token;
  }
}

/** Without a response there is no outcome, but for the calls that never get one. */
function readOutcome(event: AuditEvent, { entry, response, place }: Facts): void {
  const error = errorText(entry.error);
  const isFinal = entry.type === 'response' || isAloneFinal(place, event.operation, error);
  event.phase = isFinal ? 'final' : 'attempt';
  event.outcome_reason = error;
  const allowed = objectOf(objectOf(entry.auth).policy_results).allowed;
  if (error !== '') {
    const isDenied = /permission denied/.test(error) || isLogin(place) || allowed === false;
    event.outcome = isDenied ? 'denied' : 'error';
    return;
  }
  if (!isFinal) return;
  event.outcome = 'allowed';
  if (entry.type !== 'response') return;
  const data = objectOf(response.data);
  const status = countOf(data.http_status_code);
  if (status >= 400) {
    event.outcome = status === 401 || status === 403 ? 'denied' : 'error';
    event.outcome_code = String(status);
  } else if (isLookWithoutAnswer(event.operation, response)) {
    // Vault answers 404 to a read of nothing, and its log says only that there was no data.
    event.outcome = 'error';
    event.outcome_code = '404';
    event.flags.push('no_data');
  }
}

function isLookWithoutAnswer(operation: string, response: Native): boolean {
  if (operation !== 'read' && operation !== 'list' && operation !== 'scan') return false;
  return ['data', 'auth', 'secret', 'wrap_info'].every(
    (k) => response[k] === undefined || response[k] === null,
  );
}

/** Requests whose response is never written, or not by this device (core.go, ha.go, wrapping.go). */
function isAloneFinal(place: VaultPlace, operation: string, error: string): boolean {
  if (place.mount !== 'sys') return false;
  if (place.rest === 'seal' || place.rest === 'step-down') return true;
  if (place.rest.startsWith('wrapping/') && error.includes('wrapping token')) return true;
  return operation === 'delete' && place.rest.startsWith('audit/');
}

/** `1 error occurred:\n\t* permission denied\n\n` → `permission denied`. */
function errorText(error: unknown): string {
  const text = textOf(error);
  if (!text.includes('\n')) return text;
  return text
    .replace(/^\d+ errors? occurred:\s*/, '')
    .split(/\n\s*\*?\s*/)
    .map((line) => line.replace(/^\*\s*/, '').trim())
    .filter((line) => line !== '')
    .join('; ');
}

function readActor(event: AuditEvent, { entry, response, place, settings }: Facts): void {
  const login = isLogin(place);
  const auth = login && isObject(response.auth) ? response.auth : objectOf(entry.auth);
  const metadata = objectOf(auth.metadata);
  event.actor_policies = textsOf(auth.policies);
  event.actor_name = textOf(auth.display_name);
  event.actor_role = textOf(metadata.role_name) || textOf(metadata.role);
  event.actor_id = actorId(auth, event, settings, place);
  event.actor_kind = actorKind(event.actor_policies, metadata, login ? place.type : '');
  event.workload = workloadOf(metadata);
  if (login) {
    event.auth_method = place.type;
    event.auth_provider = place.mount;
    // Whom the caller says to be; proved only when the login succeeds.
    event.target_actor = place.rest.startsWith('login/') ? place.rest.slice('login/'.length) : '';
  }
  event.session_id =
    textOf(auth.accessor) || (auth.token_type === 'batch' ? hmacText(auth.client_token) : '');
  event.session_start =
    login && event.outcome === 'allowed' ? Number(event.time / 1_000_000n) : timeMs(auth.token_issue_time);
  event.client_id = textOf(objectOf(entry.request).client_id);
  const granting = objectOf(objectOf(entry.auth).policy_results).granting_policies;
  if (Array.isArray(granting))
    event.granted_by = granting.map((g) => textOf(objectOf(g).name)).filter((n) => n !== '');
}

/** Entity, else the token's display name. A wrapping token bears its maker's name, not its user's. */
function actorId(auth: Native, event: AuditEvent, settings: StreamSettings, place: VaultPlace): string {
  const entity = textOf(auth.entity_id);
  if (entity !== '') return vaultId(settings, '', `entity/${entity}`);
  if (event.actor_name === '') return '';
  if (place.rest.startsWith('wrapping/') && event.actor_policies.includes('response-wrapping')) return '';
  return vaultId(settings, '', `token/${event.actor_name}`);
}

/** By the login method's own metadata, never by a name. The catalog knows better and may say so. */
function actorKind(
  policies: readonly string[],
  metadata: Native,
  loginType: string,
): AuditEvent['actor_kind'] {
  if (policies.includes('root')) return 'root';
  if (textOf(metadata.service_account_name) !== '' || textOf(metadata.role_name) !== '') return 'service';
  if (textOf(metadata.repository) !== '' && textOf(metadata.run_id) !== '') return 'ci';
  if (loginType === 'approle' || loginType === 'kubernetes' || loginType === 'aws') return 'service';
  return 'unknown';
}

/** Claims that logins of CI jobs and Kubernetes pods carry into every later call. */
const workloadKeys = {
  repository: 'repo',
  ref: 'ref',
  sha: 'sha',
  workflow: 'workflow',
  run_id: 'run_id',
  environment: 'environment',
  service_account_namespace: 'namespace',
  service_account_name: 'service_account',
} as const;

function workloadOf(metadata: Native): Record<string, string> {
  const workload: Record<string, string> = {};
  for (const key in metadata) {
    const name = workloadKeys[key as keyof typeof workloadKeys];
    const value = name === undefined ? '' : textOf(metadata[key]);
    if (name !== undefined && value !== '') workload[name] = value;
  }
  return workload;
}

function readOrigin(event: AuditEvent, request: Native): void {
  const address = textOf(request.remote_address);
  if (isIP(address) !== 0) event.src_ip = address;
  else event.src_host = address;
  const agent = textsOf(objectOf(request.headers)['user-agent'])[0] ?? '';
  if (!agent.startsWith(hmac)) event.user_agent = agent;
}

/** The token that was made where one was made, else the one that was used. */
function readToken(event: AuditEvent, { entry, request, response, place }: Facts): void {
  const made = objectOf(response.auth);
  const isIssue = event.action === 'issue' && event.object_kind === 'token';
  const token = isObject(response.auth) ? made : objectOf(entry.auth);
  event.token_ttl = countOf(token.token_ttl);
  if (token.token_type === 'batch') event.flags.push('token_batch');
  if (!isIssue || place.mount === 'sys') return;
  const data = objectOf(request.data);
  if (place.rest === 'create-orphan' || data.no_parent === true) event.flags.push('token_orphan');
  if (data.period !== undefined) event.flags.push('token_periodic');
  const id = textOf(made.accessor) || hmacText(made.client_token);
  if (id !== '') event.object_id = id;
  const entity = textOf(made.entity_id);
  event.target_actor = entity !== '' ? `entity/${entity}` : textOf(made.display_name);
}

function isHmac(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(hmac);
}

function hmacText(value: unknown): string {
  return isHmac(value) ? value : '';
}

/** Login names and path segments that no person would choose as a name; everything, when the device writes raw. */
function secretPlaces(native: unknown): readonly SecretPlace[] {
  const entry = objectOf(native);
  const request = objectOf(entry.request);
  const places = rawPlaces(entry, request);
  const path = textOf(request.path);
  if (!isPlainPath(path)) {
    for (const word of path.split('/'))
      if (isSecretWord(word)) places.push({ at: ['request', 'path'], text: word });
  }
  return places;
}

const rawTokens = [
  ['auth', 'client_token'],
  ['request', 'client_token'],
  ['response', 'auth', 'client_token'],
  ['response', 'wrap_info', 'token'],
] as const;
const dataPlaces = [
  ['request', 'data'],
  ['response', 'data'],
] as const;

/** A token that is no HMAC: the device has `log_raw`, and nothing in `data` was hashed either. */
function rawPlaces(entry: Native, request: Native): SecretPlace[] {
  return isRaw(entry, request) ? [...rawTokens, ...dataPlaces].map((at) => ({ at })) : [];
}

function isRaw(entry: Native, request: Native): boolean {
  return (
    isRawToken(objectOf(entry.auth).client_token) ||
    isRawToken(request.client_token) ||
    isRawToken(objectOf(objectOf(entry.response).auth).client_token)
  );
}

function isRawToken(token: unknown): boolean {
  return typeof token === 'string' && token !== '' && !token.startsWith(hmac);
}

/** Paths repeat; those with a secret word are not kept. Lease ids are random by nature and no secrets. */
const plainPaths = new Set<string>();
const plainPathsMax = 50_000;

function isPlainPath(path: string): boolean {
  if (plainPaths.has(path)) return true;
  const isPlain = path.startsWith('sys/leases/') || !path.split('/').some(isSecretWord);
  if (isPlain) {
    if (plainPaths.size >= plainPathsMax) plainPaths.clear();
    plainPaths.add(path);
  }
  return isPlain;
}
