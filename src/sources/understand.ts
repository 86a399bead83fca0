import { type Outcome, ok, type SetAsideOutcome } from '../core/outcome.ts';
import type { KwRecord } from '../core/record.ts';
import { isObject } from './reading/fields.ts';
import { cutToLength, settleTime } from './reading/finish.ts';
import { exactly, type Parsed, parseText } from './reading/parse.ts';
import { droppedFor, quarantinedFor } from './reading/reasons.ts';
import { failed, fromJsonStart, type Read, readText, withoutPrefix } from './reading/text.ts';
import { redact, type Survey, survey } from './redaction/redact.ts';
import { type ShapeTest, shapesWithout } from './redaction/shapes.ts';
import { detectSources, type RegisteredSource, type SourceRegistry } from './registry.ts';
import type { Normalised, SecretPlace, StreamSettings } from './source.ts';

/** One event of more than this is no event (docs/sources/README.md). */
export const partBytesMax = 8 * 1024 * 1024;
const noPlaces: readonly SecretPlace[] = [];

/**
 * One outcome a part, at its idx. Never throws, whatever the bytes. `source` undefined: found by the shape.
 *
 * @example
 * const registry = await loadSources();
 * const outcomes = understand(record, undefined, defaultStreamSettings, registry);
 */
export function understand(
  record: KwRecord,
  source: RegisteredSource | undefined,
  settings: StreamSettings,
  registry: SourceRegistry,
): readonly Outcome<Normalised>[] {
  if (record.value === null) return [droppedFor('tombstone')];
  const text = readText(record.value);
  if (!text.isOk) return [quarantinedFor(text.reason, text.detail)];
  if (text.value === '') return [droppedFor('empty')];
  const document = readDocument(text.value);
  if (!document.isOk) return [quarantinedFor(document.reason, document.detail)];
  const { value, survey: surveyed } = document.value;
  const context: Context = { text: document.value.text, recordTime: record.timestamp, settings };
  if (!Array.isArray(value)) {
    const adapter = source ?? theSource(registry, value);
    if ('kind' in adapter) return [adapter];
    const parts = adapter.split(value);
    if (parts.length === 0) return [droppedFor('empty_envelope')];
    return parts.length === 1 && parts[0] === value
      ? [understandPart(value, surveyed, byteLength(record.value, context.text), adapter, context)]
      : parts.map((part) => understandElement(part, adapter, context));
  }
  if (value.length === 0) return [droppedFor('empty_envelope')];
  return value.flatMap((element: unknown) => understandInArray(element, source, registry, context));
}

/** The one source that knows this value, or why there is none. */
function theSource(registry: SourceRegistry, value: unknown): RegisteredSource | SetAsideOutcome {
  const found = detectSources(registry, value);
  if (found.length > 1) return quarantinedFor('ambiguous_source', found.map((s) => s.name).join(', '));
  return found[0] ?? quarantinedFor('unknown_source');
}

/** A bare array is an envelope of any source, whose elements may be envelopes themselves. */
function understandInArray(
  element: unknown,
  source: RegisteredSource | undefined,
  registry: SourceRegistry,
  context: Context,
): readonly Outcome<Normalised>[] {
  const adapter = source ?? theSource(registry, element);
  if ('kind' in adapter) return [adapter];
  const parts = adapter.split(element);
  return parts.length === 0
    ? [droppedFor('empty_envelope')]
    : parts.map((part) => understandElement(part, adapter, context));
}

/** Which sources know these bytes: the names, or why they could not be read. */
export function identify(value: Buffer, registry: SourceRegistry): Read<readonly string[]> {
  const text = readText(value);
  if (!text.isOk) return text;
  if (text.value === '') return failed('no_json');
  const document = readDocument(text.value);
  if (!document.isOk) return document;
  const parsed = document.value.value;
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return { isOk: true, value: detectSources(registry, first).map((s) => s.name) };
}

interface Context {
  /** The text that holds the part: searched for shapes before anything is copied. */
  readonly text: string;
  readonly recordTime: number;
  readonly settings: StreamSettings;
  searched?: { readonly shapes: ShapeTest; readonly mayHold: boolean };
}

interface Document {
  readonly value: unknown;
  readonly survey: Survey;
  readonly text: string;
}

/** Parsed and proved free of what JSON.parse hides; JSON in a string is parsed again, once. */
function readDocument(text: string, isInner = false): Read<Document> {
  let parsed = parseText(text);
  // A device's prefix may begin with a bracket, as in `[audit] {…}`.
  if (!parsed.isOk && parsed.reason === 'invalid_json' && text.startsWith('[')) {
    const rest = withoutPrefix(text.slice(1));
    if (rest.isOk) return readDocument(rest.value, isInner);
  }
  if (!parsed.isOk) return parsed;
  const inner = parsed.value.value;
  if (typeof inner === 'string') {
    const start = isInner ? failed('no_json') : fromJsonStart(inner);
    return start.isOk ? readDocument(start.value, true) : start;
  }
  let surveyed = survey(inner);
  if (isInDoubt(parsed.value, surveyed)) {
    parsed = exactly(text);
    if (!parsed.isOk) return parsed;
    surveyed = survey(parsed.value.value);
  }
  return { isOk: true, value: { value: parsed.value.value, survey: surveyed, text } };
}

function isInDoubt(parsed: Parsed, surveyed: Survey): boolean {
  return (
    parsed.isUnchecked &&
    (surveyed.isTooDeep ||
      surveyed.hasProtoKey ||
      surveyed.hasUnsafeNumber ||
      surveyed.keys !== parsed.keyColons)
  );
}

/** An element of an envelope: one that is bad is set aside alone. */
function understandElement(part: unknown, adapter: RegisteredSource, context: Context): Outcome<Normalised> {
  if (typeof part === 'string') {
    const document = readDocument(part.trim(), true);
    if (!document.isOk) return quarantinedFor(document.reason, document.detail);
    const { value, survey: surveyed, text } = document.value;
    return understandPart(value, surveyed, Buffer.byteLength(part), adapter, {
      text,
      recordTime: context.recordTime,
      settings: context.settings,
    });
  }
  const bytes = Buffer.byteLength(JSON.stringify(part) ?? '');
  return understandPart(part, survey(part), bytes, adapter, context);
}

function understandPart(
  native: unknown,
  surveyed: Survey,
  bytes: number,
  adapter: RegisteredSource,
  context: Context,
): Outcome<Normalised> {
  if (bytes > partBytesMax) return quarantinedFor('part_too_large', `${bytes} bytes`);
  if (!isObject(native)) return quarantinedFor('schema', 'not an object');
  const shapes = shapesWithout(adapter.identifierShapes);
  const places = adapter.secretPlaces?.(native) ?? noPlaces;
  const isClean = !surveyed.hasSecret && places.length === 0 && !mayHoldSecret(context, shapes);
  const redacted = isClean ? undefined : redact(native, places, shapes);
  const shown = redacted === undefined ? native : redacted.value;

  if (!adapter.validate(shown)) return quarantinedFor('schema', schemaPlace(adapter));
  const outcome = adapter.normalise(
    { native: shown, bytes, recordTime: context.recordTime },
    context.settings,
  );
  if (outcome.kind !== 'ok') return outcome;
  const event = outcome.value;
  event.record_bytes = Math.min(bytes, 0xffff_ffff);
  if (redacted !== undefined && redacted.exposed.length > 0) {
    event.exposed = [...redacted.exposed];
    if (redacted.isUsual) event.flags.push('exposed_usual');
  }
  if (!settleTime(event, context.recordTime)) return quarantinedFor('time_absurd');
  cutToLength(event);
  return ok({ event, redacted: shown });
}

/** Searched once a document, not once a part. */
function mayHoldSecret(context: Context, shapes: ShapeTest): boolean {
  if (context.searched?.shapes !== shapes) {
    context.searched = { shapes, mayHold: shapes.mayHold(context.text) || hasEscapedLetter(context.text) };
  }
  return context.searched.mayHold;
}

/** An escaped printable character could hide a shape from the search: then every string is looked at. */
function hasEscapedLetter(text: string): boolean {
  return text.includes('\\u00') && /\\u00[2-7]/.test(text);
}

/** Where the schema was not met. The schema's own path holds no value of the record; the instance's may. */
function schemaPlace(adapter: RegisteredSource): string {
  const error = adapter.validate.errors?.[0];
  return error === undefined ? '' : error.schemaPath;
}

function byteLength(value: Buffer, text: string): number {
  return value.length === text.length ? value.length : Buffer.byteLength(text);
}
