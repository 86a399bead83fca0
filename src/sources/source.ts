import type { AuditEvent } from '../core/event.ts';
import type { Outcome } from '../core/outcome.ts';

/** The stream's versioned settings (a meta leaf when they change): `verify` uses those of the time. */
export interface StreamSettings {
  /** Name of the vault, for canonical ids `vault:STORE/…`. */
  readonly store: string;
  readonly cluster: string;
  readonly host: string;
  /** IANA zone assumed where a record's time has none. */
  readonly zone: string;
  /** KV v2 mounts without trailing slash; undefined = not told, the adapter judges by the path. */
  readonly kv2?: readonly string[];
}

export const defaultStreamSettings: StreamSettings = {
  store: 'main',
  cluster: 'main',
  host: 'main',
  zone: 'UTC',
};

/** One part of a record (an element of an envelope, or the whole record), parsed and not yet understood. */
export interface Part {
  /** The native object with secrets already cut out: an adapter cannot leak what it never sees. */
  readonly native: unknown;
  /** Bytes of the native part. */
  readonly bytes: number;
  /** The transport's time in ms, 0 = none: the bound for absurd times. */
  readonly recordTime: number;
}

/** What is handed on: the event, and the native object with secrets cut out, for rules. */
export interface Normalised {
  readonly event: AuditEvent;
  readonly redacted: unknown;
}

/** A place in the native object that holds a secret by what the source's format says of it. */
export interface SecretPlace {
  /** Keys from the root; an object there loses all its strings. */
  readonly at: readonly string[];
  /** Only this text of the value is secret; it is cut out wherever the record repeats it. */
  readonly text?: string;
  /** The source always writes it there (STS credentials): cut out and listed, but no finding. */
  readonly isUsual?: boolean;
}

/** Shapes that are identifiers, not secrets, in one system's log (CloudTrail names access key ids everywhere). */
export type IdentifierShape = 'aws-key-id';

/**
 * A source: what one system's bytes mean. Pure: no clock, look-up or neighbour record.
 * One file each in this folder, exported as `source`; the folder is the registry.
 */
export interface Source {
  /** File name, `--source` value and the column `source`. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Sigma product/service of its events. */
  readonly logsource: string;
  /** Version of the adapter: bump when any output changes, `rebuild` derives history again. */
  readonly adapter: number;
  /** How late this system's events may come, with the reason beside it: the detector's watermark waits this long. */
  readonly latenessMs: number;
  /** True when this parsed record (envelope or single, never a bare array: its elements are asked) is this source's; on every sample exactly one says so. */
  detect(parsed: unknown): boolean;
  /** The parts of one parsed record, in order; an envelope's elements or the record itself. A string is JSON text. */
  split(parsed: unknown): readonly unknown[];
  readonly identifierShapes?: readonly IdentifierShape[];
  /** Called before the schema is checked: must take any value. */
  secretPlaces?(native: unknown): readonly SecretPlace[];
  /** `part.native` is valid by the source's schema. Time bounds, lengths and `exposed` are the caller's. */
  normalise(part: Part, settings: StreamSettings): Outcome<AuditEvent>;
}

/** Gives the type its name at the definition: `export const source = defineSource({…})`. */
export function defineSource(source: Source): Source {
  return source;
}
