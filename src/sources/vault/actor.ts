import type { AuditEvent } from '../../core/event.ts';
import { isObject, type Native, objectOf, textOf, textsOf } from '../reading/fields.ts';
import { timeMs } from '../reading/time.ts';
import type { StreamSettings } from '../source.ts';
import { type Facts, hmacText } from './facts.ts';
import { isLogin } from './meaning.ts';
import { type VaultPlace, vaultId } from './path.ts';

/** Who called, with which session; on a login, who came in. */
export function readActor(event: AuditEvent, { entry, response, place, settings }: Facts): void {
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
    login && event.outcome === 'allowed' ? timeMs(entry.time) : timeMs(auth.token_issue_time);
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
