import { isIP } from 'node:net';
import { type AuditEvent, blankEvent } from '../core/event.ts';
import { ok } from '../core/outcome.ts';
import { actionOf } from './cloudtrail/actions.ts';
import { readIdentityOf } from './cloudtrail/identity.ts';
import { type AwsRecord, readObject } from './cloudtrail/objects.ts';
import { isObject, type Native, objectOf, textOf } from './reading/fields.ts';
import { droppedFor } from './reading/reasons.ts';
import { parseTime } from './reading/time.ts';
import { defineSource, type IdentifierShape, type Part, type SecretPlace } from './source.ts';

/** CloudTrail names access key ids in every record: they say who, and open nothing. */
const identifierShapes: readonly IdentifierShape[] = ['aws-key-id'];

/**
 * AWS CloudTrail: single records, delivered log files (`Records`), EventBridge (`detail`) and CloudWatch Logs
 * (`logEvents`). Management events, and S3 data events where they are switched on.
 * @see https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
 */
export const source = defineSource({
  name: 'cloudtrail',
  logsource: 'aws/cloudtrail',
  adapter: 1,
  // AWS: delivered within about five minutes on average, fifteen at most as a rule.
  latenessMs: 20 * 60_000,
  identifierShapes,
  detect,
  split,
  secretPlaces,
  normalise,
});

function detect(parsed: unknown): boolean {
  if (!isObject(parsed)) return false;
  if (isRecord(parsed) || isRecord(parsed.detail) || isNotice(parsed)) return true;
  if (Array.isArray(parsed.Records))
    return parsed.Records.length === 0 || parsed.Records.some((r) => isRecord(r) || isNotice(r));
  return Array.isArray(parsed.logEvents) && parsed.logEvents.some(isLogEvent);
}

function isRecord(value: unknown): boolean {
  if (!isObject(value) || typeof value.eventVersion !== 'string' || typeof value.eventName !== 'string')
    return false;
  return typeof value.eventSource === 'string' && value.eventSource.endsWith('.amazonaws.com');
}

function isLogEvent(value: unknown): boolean {
  const message = textOf(objectOf(value).message);
  return message.includes('"eventVersion"') && message.includes('.amazonaws.com"');
}

function split(parsed: unknown): readonly unknown[] {
  if (!isObject(parsed)) return [parsed];
  if (Array.isArray(parsed.Records)) return parsed.Records;
  if (isObject(parsed.detail)) return [parsed.detail];
  if (Array.isArray(parsed.logEvents)) return parsed.logEvents.map((e) => textOf(objectOf(e).message));
  return [parsed];
}

/** About log files, without an event in it: the digest, and the notices of SNS and S3 that a file lies ready. */
function isNotice(value: unknown): boolean {
  return isObject(value) && (isDigest(value) || isPointer(value));
}

function isDigest(value: Native): boolean {
  return typeof value.digestS3Bucket === 'string' && typeof value.digestStartTime === 'string';
}

function isPointer(value: Native): boolean {
  if (typeof value.s3Bucket === 'string' && Array.isArray(value.s3ObjectKey)) return true;
  return value.eventSource === 'aws:s3' && isObject(value.s3);
}

/** STS writes the credentials it issues into its own log. */
function secretPlaces(native: unknown): readonly SecretPlace[] {
  const credentials = objectOf(objectOf(native).responseElements).credentials;
  if (!isObject(credentials)) return [];
  return ['sessionToken', 'secretAccessKey']
    .filter((key) => textOf(credentials[key]) !== '')
    .map((key) => ({ at: ['responseElements', 'credentials', key], isUsual: true }));
}

function normalise(part: Part) {
  const native = part.native as Native;
  if (isDigest(native)) return droppedFor('digest');
  if (isPointer(native)) return droppedFor('pointer');
  const record: AwsRecord = {
    native,
    service: textOf(native.eventSource).replace(/\.amazonaws\.com$/, ''),
    request: objectOf(native.requestParameters),
    response: objectOf(native.responseElements),
    additional: objectOf(native.additionalEventData),
    scope: {
      account: textOf(native.recipientAccountId) || textOf(objectOf(native.userIdentity).accountId),
      region: textOf(native.awsRegion),
    },
  };
  const event = blankEvent();
  readHead(event, native, record.service);
  readIdentityOf(event, native);
  readOrigin(event, native);
  readOutcome(event, native);
  readObject(event, record);
  return ok(event);
}

/** Copies of one act, one in each account it touches, share `sharedEventID`; trails and regions repeat `eventID`. */
function readHead(event: AuditEvent, native: Native, service: string): void {
  const time = parseTime(textOf(native.eventTime));
  event.time = time?.ns ?? 0n;
  event.time_quality = time?.quality ?? 'record';
  event.source = source.name;
  event.format = textOf(native.eventVersion);
  event.adapter = source.adapter;
  event.logsource = source.logsource;
  event.source_uid = textOf(native.eventID);
  event.dup_key = textOf(native.sharedEventID) || event.source_uid;
  event.request_id = textOf(native.requestID);
  event.operation = textOf(native.eventName);
  event.action = actionOf(service, event.operation, native.readOnly === true);
  event.phase = phaseOf(event, native);
}

function phaseOf(event: AuditEvent, native: Native): AuditEvent['phase'] {
  if (native.eventType === 'AwsCloudTrailInsight') return 'note';
  // The service carries out, days later, what DeleteSecret asked for.
  if (/^(?:Start|End)SecretVersionDelete$/.test(event.operation)) return 'derived';
  return event.operation === 'RotationStarted' ? 'note' : 'final';
}

function readOrigin(event: AuditEvent, native: Native): void {
  const address = textOf(native.sourceIPAddress);
  if (isIP(address) !== 0) event.src_ip = address;
  else event.src_host = address;
  event.user_agent = textOf(native.userAgent);
}

function readOutcome(event: AuditEvent, native: Native): void {
  const code = textOf(native.errorCode);
  const message = textOf(native.errorMessage);
  event.outcome_code = code;
  // What is encoded says why in words only the account's administrator can ask for, and fills the column.
  event.outcome_reason = message.replace(/(Encoded authorization failure message:)\s*\S+/, '$1 …');
  if (code === '') event.outcome = 'allowed';
  else event.outcome = /AccessDenied|Unauthorized|Forbidden/.test(code) ? 'denied' : 'error';
}
