import type { AuditEvent } from '../../core/event.ts';
import { type Native, objectOf, textOf } from '../reading/fields.ts';
import { timeMs } from '../reading/time.ts';

/** @see https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html */
export function readIdentityOf(event: AuditEvent, native: Native): void {
  const identity = objectOf(native.userIdentity);
  const type = textOf(identity.type);
  const context = objectOf(identity.sessionContext);
  const issuer = objectOf(context.sessionIssuer);
  const attributes = objectOf(context.attributes);
  const arn = textOf(identity.arn);
  const issuerArn = textOf(issuer.arn);
  event.actor_id = actorId(type, identity, issuerArn || arn);
  event.actor_kind = actorKind(type, event.actor_id, textOf(identity.userName));
  event.actor_name = textOf(identity.userName) || textOf(issuer.userName);
  if (type === 'AssumedRole') event.actor_role = arn.slice(arn.lastIndexOf('/') + 1);
  event.via = event.actor_kind === 'system' ? '' : textOf(identity.invokedBy);
  event.session_id = textOf(identity.accessKeyId);
  event.session_start = timeMs(attributes.creationDate);
  event.auth_method = type;
  event.auth_provider =
    textOf(identity.identityProvider) || textOf(objectOf(context.webIdFederationData).federatedProvider);
  const mfa = textOf(attributes.mfaAuthenticated);
  if (mfa !== '') event.auth_mfa = mfa === 'true' ? 'yes' : 'no';
  event.workload = workloadOf(
    textOf(objectOf(native.responseElements).subjectFromWebIdentityToken) || textOf(identity.userName),
  );
}

function actorId(type: string, identity: Native, arn: string): string {
  if (type === 'WebIdentityUser') return textOf(identity.userName) || arn;
  if (type === 'AWSService' || type === '') return textOf(identity.invokedBy);
  return arn || textOf(identity.principalId) || textOf(identity.accountId);
}

/** By type and by paths that AWS reserves for itself; never by a name. */
function actorKind(type: string, id: string, userName: string): AuditEvent['actor_kind'] {
  if (type === 'Root') return 'root';
  if (type === 'AWSService' || type === '') return 'system';
  if (id.includes(':role/aws-service-role/')) return 'system';
  if (id.includes(':role/aws-reserved/sso.amazonaws.com/')) return 'human';
  if (type === 'SAMLUser' || type === 'IdentityCenterUser') return 'human';
  if (type !== 'WebIdentityUser') return 'unknown';
  if (userName.startsWith('system:serviceaccount:')) return 'service';
  return /^(?:repo|project_path):/.test(userName) ? 'ci' : 'unknown';
}

/** The `sub` claims of Kubernetes, GitHub and GitLab have fixed forms. */
function workloadOf(subject: string): Record<string, string> {
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(subject);
  if (account !== null) return { namespace: account[1] as string, service_account: account[2] as string };
  const github = /^repo:([^:]+\/[^:]+):(ref|environment):(.+)$/.exec(subject);
  if (github !== null) return { repo: github[1] as string, [github[2] as string]: github[3] as string };
  const gitlab = /^project_path:([^:]+):ref_type:[^:]+:ref:(.+)$/.exec(subject);
  if (gitlab !== null) return { repo: gitlab[1] as string, ref: gitlab[2] as string };
  return {};
}
