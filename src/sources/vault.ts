import { isIP } from 'node:net';
import { type AuditEvent, blankEvent } from '../core/event.ts';
import { ok } from '../core/outcome.ts';
import { countOf, isObject, type Native, objectOf, textOf, textsOf } from './reading/fields.ts';
import { parseTime } from './reading/time.ts';
import { defineSource, type Part, type StreamSettings } from './source.ts';
import { readActor } from './vault/actor.ts';
import { type Facts, hmac, hmacText, isHmac } from './vault/facts.ts';
import { isLogin, meaningOf } from './vault/meaning.ts';
import { placeOf, type VaultPlace, vaultId } from './vault/path.ts';
import { isRaw, secretPlaces } from './vault/secrets.ts';

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
  detect: isEntry,
  split: (parsed) => [parsed],
  secretPlaces,
  normalise,
});

function isEntry(parsed: unknown): boolean {
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
