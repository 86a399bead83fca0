import type { AuditEvent } from '../../core/event.ts';
import { type Native, objectOf, textOf, textsOf } from '../reading/fields.ts';
import {
  type AwsObject,
  type AwsScope,
  arnObject,
  inScope,
  keyObject,
  parameterObject,
  secretObject,
} from './ids.ts';

/** The parts of a record that name its object. */
export interface AwsRecord {
  readonly native: Native;
  readonly service: string;
  readonly request: Native;
  readonly response: Native;
  readonly additional: Native;
  readonly scope: AwsScope;
}

/** Fills `object_*`, `objects` and `target_actor`. */
export function readObject(event: AuditEvent, record: AwsRecord): void {
  const read = readers[record.service];
  if (read !== undefined) read(event, record);
  if (event.object_id === '') useArn(event, textOf(objectOf(resourcesOf(record)[0]).ARN), record.scope);
  if (event.object_id === '') useMessage(event, record);
  if (event.object_account === '') event.object_account = record.scope.account;
  if (event.object_region === '') event.object_region = record.scope.region;
}

function use(event: AuditEvent, object: AwsObject): void {
  event.object_id = object.id;
  event.object_account = object.account;
  event.object_region = object.region;
}

function useArn(event: AuditEvent, arn: string, scope: AwsScope): void {
  if (arn !== '') use(event, arnObject(arn, scope));
}

/** Denials often null the parameters: the message alone says what was asked for. */
function useMessage(event: AuditEvent, record: AwsRecord): void {
  const arn = /on resource: (arn:[^\s,;]+)/.exec(textOf(record.native.errorMessage))?.[1];
  if (arn === undefined) return;
  useArn(event, arn, record.scope);
  if (event.action === 'issue') event.target_actor = arn;
  event.flags.push('object_from_message');
}

type Reader = (event: AuditEvent, record: AwsRecord) => void;

const readers: Readonly<Record<string, Reader>> = {
  secretsmanager: readSecret,
  ssm: readParameter,
  kms: readKey,
  s3: readS3,
  sts: readRole,
  signin: readLogin,
  iam: readIdentity,
  cloudtrail: readTrail,
  ec2: readInstance,
};

function readSecret(event: AuditEvent, { request, response, additional, scope }: AwsRecord): void {
  event.object_kind = 'secret';
  const batch = textsOf(request.secretIdList);
  const named = firstText(
    request.secretId,
    response.arn,
    response.aRN,
    response.ARN,
    additional.ARN,
    additional.SecretId,
    request.name,
  );
  if (batch.length > 0) {
    event.objects = batch.map((id) => secretObject(id, scope).id);
    event.objects_total = batch.length;
  }
  if (named !== '') use(event, secretObject(named, scope));
  // The whole shelf: a listing or a batch names no single secret.
  else if (event.outcome !== 'denied' || batch.length > 0)
    use(event, inScope(`aws:sm:${scope.account}:${scope.region}:*`, scope));
  event.object_version = textOf(request.versionId);
  if (request.forceDeleteWithoutRecovery === true && event.action === 'delete') event.action = 'destroy';
  if (event.operation === 'RotationFailed' || event.operation === 'RotationAbandoned')
    event.outcome = 'error';
}

function readParameter(event: AuditEvent, { request, response, scope }: AwsRecord): void {
  if (!/Parameter|ResourcePolicy/.test(event.operation)) return;
  event.object_kind = 'secret';
  const names = textsOf(request.names);
  const prefix = `aws:ssm:${scope.account}:${scope.region}:`;
  const name = textOf(request.name);
  if (name !== '') {
    const parameter = parameterObject(name, scope);
    use(event, parameter);
    event.object_version = parameter.version || (event.action === 'read' ? '' : textOf(response.version));
  } else if (names.length > 0) {
    event.objects = names.map((n) => parameterObject(n, scope).id);
    event.objects_total = names.length;
    use(event, names.length === 1 ? inScope(event.objects[0] ?? '', scope) : inScope(`${prefix}*`, scope));
  } else if (event.outcome !== 'denied') {
    use(
      event,
      inScope(`${prefix}${textOf(request.path).replace(/\/?$/, '/')}*`.replace(/:\/\*$/, ':*'), scope),
    );
  }
  // Without decryption a SecureString comes as ciphertext, and the record does not say which type it was.
  if (event.action === 'read' && request.withDecryption !== true) event.flags.push('maybe_ciphertext');
  if (event.operation === 'PutParameter' && request.overwrite !== true && event.outcome === 'allowed')
    event.action = 'create';
}

function readKey(event: AuditEvent, record: AwsRecord): void {
  const { request, scope, native } = record;
  event.object_kind = 'key';
  const key = resourcesOf(record).find((r) => textOf(r.type) === 'AWS::KMS::Key');
  const named = firstText(
    key?.ARN,
    request.keyId,
    request.targetKeyId,
    objectOf(record.response.keyMetadata).arn,
  );
  if (named !== '') use(event, keyObject(named, scope));
  const context = objectOf(request.encryptionContext);
  const wrapped = firstText(context.SecretARN, context.PARAMETER_ARN);
  if (wrapped === '') return;
  event.objects = [arnObject(wrapped, scope).id];
  event.objects_total = 1;
  // The service decrypts for a read that has its own record; not every read has one of these.
  if (textOf(objectOf(native.userIdentity).invokedBy) !== '') event.phase = 'derived';
}

function readS3(event: AuditEvent, { request, scope }: AwsRecord): void {
  const bucket = textOf(request.bucketName);
  if (bucket === '') return;
  const key = textOf(request.key);
  use(event, inScope(key === '' ? `s3:${bucket}` : `s3:${bucket}/${key}`, scope));
  event.object_store = bucket;
  event.object_version = textOf(request.versionId);
  if (/\.tfstate(?:\.backup)?$/.test(key)) event.object_kind = 'state';
}

/** The role taken on. The new key's id is what later records carry as their session. */
function readRole(event: AuditEvent, { request, response, scope, native }: AwsRecord): void {
  event.object_kind = 'role';
  useArn(event, textOf(request.roleArn), scope);
  if (event.action !== 'issue') return;
  event.target_actor = firstText(
    objectOf(response.assumedRoleUser).arn,
    objectOf(response.federatedUser).arn,
    request.roleArn,
  );
  const session = textOf(objectOf(response.credentials).accessKeyId);
  if (session !== '') event.correlation_ids.push(session);
  if (event.object_id === '' && event.operation === 'GetSessionToken')
    useArn(event, textOf(objectOf(native.userIdentity).arn), scope);
}

function readLogin(event: AuditEvent, { native, scope, additional, response }: AwsRecord): void {
  event.object_kind = 'identity';
  const identity = objectOf(native.userIdentity);
  useArn(event, textOf(identity.arn), scope);
  event.target_actor = firstText(identity.arn, identity.userName);
  const mfa = textOf(additional.MFAUsed);
  if (mfa !== '') event.auth_mfa = mfa === 'Yes' ? 'yes' : 'no';
  if (textOf(response[event.operation]) === 'Failure') event.outcome = 'denied';
}

function readIdentity(event: AuditEvent, { request, response, scope }: AwsRecord): void {
  const user = textOf(request.userName);
  const role = textOf(request.roleName);
  const group = textOf(request.groupName);
  const policy = firstText(request.policyArn, objectOf(response.policy).arn);
  const person = user !== '' ? iamArn(scope, 'user', user) : '';
  const key = firstText(objectOf(response.accessKey).accessKeyId, request.accessKeyId);
  if (key !== '') {
    event.object_kind = 'token';
    use(event, inScope(key, scope));
    event.target_actor = person;
    if (event.action === 'issue') event.correlation_ids.push(key);
    return;
  }
  if (role !== '') {
    event.object_kind = 'role';
    use(event, inScope(firstText(objectOf(response.role).arn) || iamArn(scope, 'role', role), scope));
  } else if (person !== '' || group !== '') {
    event.object_kind = 'identity';
    const id = firstText(objectOf(response.user).arn) || person || iamArn(scope, 'group', group);
    use(event, inScope(id, scope));
  } else if (policy !== '') {
    event.object_kind = 'policy';
    useArn(event, policy, scope);
  }
  if (event.action === 'grant' || event.action === 'revoke' || event.action === 'issue')
    event.target_actor = event.object_id;
  if (event.target_actor !== '' && policy !== '') event.objects = [policy];
}

function iamArn(scope: AwsScope, kind: string, name: string): string {
  return `arn:aws:iam::${scope.account}:${kind}/${name}`;
}

function readTrail(event: AuditEvent, { request, response, scope }: AwsRecord): void {
  event.object_kind = 'audit_device';
  const named = firstText(response.trailARN, request.trailName, request.name, request.eventDataStore);
  if (named === '') return;
  const id = named.startsWith('arn:')
    ? named
    : `arn:aws:cloudtrail:${scope.region}:${scope.account}:trail/${named}`;
  useArn(event, id, scope);
}

function readInstance(event: AuditEvent, { request, scope }: AwsRecord): void {
  if (event.operation !== 'GetPasswordData') return;
  event.object_kind = 'secret';
  const instance = textOf(request.instanceId);
  if (instance !== '')
    use(event, inScope(`arn:aws:ec2:${scope.region}:${scope.account}:instance/${instance}`, scope));
}

function resourcesOf(record: AwsRecord): readonly Native[] {
  const resources = record.native.resources;
  return Array.isArray(resources) ? resources.map(objectOf) : [];
}

function firstText(...values: readonly unknown[]): string {
  for (const value of values) if (typeof value === 'string' && value !== '') return value;
  return '';
}
