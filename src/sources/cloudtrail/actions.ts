import type { Action } from '../../core/event.ts';

type Names = Readonly<Record<string, Action>>;

/** CloudTrail's own trails and event data stores: what an intruder turns off first. */
const cloudtrail: Names = {
  CreateTrail: 'config-audit',
  UpdateTrail: 'config-audit',
  DeleteTrail: 'config-audit',
  StartLogging: 'config-audit',
  StopLogging: 'config-audit',
  PutEventSelectors: 'config-audit',
  PutInsightSelectors: 'config-audit',
  PutEventConfiguration: 'config-audit',
  CreateEventDataStore: 'config-audit',
  UpdateEventDataStore: 'config-audit',
  DeleteEventDataStore: 'config-audit',
  RestoreEventDataStore: 'config-audit',
  StartEventDataStoreIngestion: 'config-audit',
  StopEventDataStoreIngestion: 'config-audit',
  PutResourcePolicy: 'config-audit',
  DeleteResourcePolicy: 'config-audit',
  AddTags: 'admin',
  RemoveTags: 'admin',
};

/** @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html */
const secretsmanager: Names = {
  GetSecretValue: 'read',
  BatchGetSecretValue: 'read',
  GetRandomPassword: 'other',
  CreateSecret: 'create',
  PutSecretValue: 'update',
  UpdateSecret: 'update',
  UpdateSecretVersionStage: 'update',
  ReplicateSecretToRegions: 'update',
  RemoveRegionsFromReplication: 'update',
  StopReplicationToReplica: 'update',
  DeleteSecret: 'delete',
  SecretVersionDeletion: 'destroy',
  StartSecretVersionDelete: 'destroy',
  EndSecretVersionDelete: 'destroy',
  CancelSecretVersionDelete: 'restore',
  RestoreSecret: 'restore',
  RotateSecret: 'rotate',
  RotationStarted: 'rotate',
  RotationSucceeded: 'rotate',
  RotationFailed: 'rotate',
  RotationAbandoned: 'rotate',
  CancelRotateSecret: 'admin',
  PutResourcePolicy: 'policy-change',
  DeleteResourcePolicy: 'policy-change',
  TagResource: 'admin',
  UntagResource: 'admin',
};

/** A parameter has no recycle bin: deleting it is for good. */
const ssm: Names = {
  GetParameter: 'read',
  GetParameters: 'read',
  GetParametersByPath: 'read',
  GetParameterHistory: 'read',
  PutParameter: 'update',
  LabelParameterVersion: 'update',
  UnlabelParameterVersion: 'update',
  DeleteParameter: 'destroy',
  DeleteParameters: 'destroy',
  PutResourcePolicy: 'policy-change',
  DeleteResourcePolicy: 'policy-change',
  SendCommand: 'run',
  StartSession: 'run',
  StartAutomationExecution: 'run',
};

const kms: Names = {
  Decrypt: 'use',
  Encrypt: 'use',
  ReEncrypt: 'use',
  ReEncryptFrom: 'use',
  ReEncryptTo: 'use',
  Sign: 'use',
  Verify: 'use',
  GenerateMac: 'use',
  VerifyMac: 'use',
  GenerateDataKey: 'use',
  GenerateDataKeyPair: 'use',
  GenerateDataKeyPairWithoutPlaintext: 'use',
  GenerateDataKeyWithoutPlaintext: 'use',
  DeriveSharedSecret: 'use',
  GenerateRandom: 'other',
  CreateKey: 'create',
  ReplicateKey: 'create',
  CreateAlias: 'create',
  UpdateAlias: 'update',
  DeleteAlias: 'delete',
  EnableKey: 'update',
  DisableKey: 'update',
  ImportKeyMaterial: 'update',
  DeleteImportedKeyMaterial: 'destroy',
  DeleteKey: 'destroy',
  ScheduleKeyDeletion: 'delete',
  CancelKeyDeletion: 'restore',
  RotateKey: 'rotate',
  RotateKeyOnDemand: 'rotate',
  EnableKeyRotation: 'admin',
  DisableKeyRotation: 'admin',
  CreateGrant: 'grant',
  RetireGrant: 'revoke',
  RevokeGrant: 'revoke',
  PutKeyPolicy: 'policy-change',
};

const sts: Names = {
  AssumeRole: 'issue',
  AssumeRoleWithSAML: 'issue',
  AssumeRoleWithWebIdentity: 'issue',
  AssumeRoot: 'issue',
  GetFederationToken: 'issue',
  GetSessionToken: 'issue',
};

const signin: Names = {
  ConsoleLogin: 'login',
  SwitchRole: 'issue',
  ExitRole: 'logout',
  CredentialVerification: 'login',
};

const iam: Names = {
  CreateAccessKey: 'issue',
  CreateLoginProfile: 'issue',
  CreateServiceSpecificCredential: 'issue',
  ResetServiceSpecificCredential: 'rotate',
  UpdateLoginProfile: 'rotate',
  ChangePassword: 'rotate',
  UpdateAccessKey: 'update',
  DeleteAccessKey: 'revoke',
  DeleteLoginProfile: 'revoke',
  DeleteServiceSpecificCredential: 'revoke',
  UploadSSHPublicKey: 'issue',
  UploadSigningCertificate: 'issue',
  CreateUser: 'create',
  CreateRole: 'create',
  CreateGroup: 'create',
  DeleteUser: 'delete',
  DeleteRole: 'delete',
  DeleteGroup: 'delete',
  AttachUserPolicy: 'grant',
  AttachRolePolicy: 'grant',
  AttachGroupPolicy: 'grant',
  PutUserPolicy: 'grant',
  PutRolePolicy: 'grant',
  PutGroupPolicy: 'grant',
  AddUserToGroup: 'grant',
  AddRoleToInstanceProfile: 'grant',
  DetachUserPolicy: 'revoke',
  DetachRolePolicy: 'revoke',
  DetachGroupPolicy: 'revoke',
  DeleteUserPolicy: 'revoke',
  DeleteRolePolicy: 'revoke',
  DeleteGroupPolicy: 'revoke',
  RemoveUserFromGroup: 'revoke',
  RemoveRoleFromInstanceProfile: 'revoke',
  CreatePolicy: 'policy-change',
  CreatePolicyVersion: 'policy-change',
  SetDefaultPolicyVersion: 'policy-change',
  DeletePolicy: 'policy-change',
  DeletePolicyVersion: 'policy-change',
  UpdateAssumeRolePolicy: 'policy-change',
  PutUserPermissionsBoundary: 'policy-change',
  PutRolePermissionsBoundary: 'policy-change',
  DeleteUserPermissionsBoundary: 'policy-change',
  DeleteRolePermissionsBoundary: 'policy-change',
};

/** Whether an S3 delete can be undone hangs on the bucket's versioning, which the record does not tell. */
const s3: Names = {
  GetObject: 'read',
  SelectObjectContent: 'read',
  GetObjectTorrent: 'read',
  PutObject: 'update',
  CopyObject: 'update',
  CompleteMultipartUpload: 'update',
  DeleteObject: 'delete',
  DeleteObjects: 'delete',
  RestoreObject: 'restore',
  PutObjectAcl: 'grant',
  PutBucketAcl: 'grant',
  CreateBucket: 'create',
  DeleteBucket: 'delete',
  PutBucketPolicy: 'policy-change',
  DeleteBucketPolicy: 'policy-change',
  PutBucketPublicAccessBlock: 'policy-change',
  DeleteBucketPublicAccessBlock: 'policy-change',
  PutAccountPublicAccessBlock: 'policy-change',
  DeleteAccountPublicAccessBlock: 'policy-change',
  PutBucketLogging: 'config-audit',
};

/** The administrator password of a Windows machine, encrypted for whoever holds its key pair. */
const ec2: Names = { GetPasswordData: 'read' };

const services = new Map<string, Names>(
  Object.entries({ cloudtrail, secretsmanager, ssm, kms, sts, signin, iam, s3, ec2 }),
);
/** Services whose other writes change settings of secrets, keys, identities or logs. */
const ours = new Set(['cloudtrail', 'secretsmanager', 'ssm', 'kms', 'iam', 's3']);

/** By name; what is not named: looking is listing, a change of our services is administration, the rest is other. */
export function actionOf(service: string, eventName: string, isReadOnly: boolean): Action {
  const names = services.get(service);
  if (names !== undefined && Object.hasOwn(names, eventName)) return names[eventName] as Action;
  if (isReadOnly || /^(?:Get|List|Describe|Head|Lookup|Validate|Simulate)/.test(eventName)) return 'list';
  return ours.has(service) ? 'admin' : 'other';
}
