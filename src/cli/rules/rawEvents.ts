import type { KwRecord } from '../../core/record.ts';
import type { Logsource, RuleEvent } from '../../detect/sigma/sigma.ts';
import type { Enricher } from '../../enrich/enrich.ts';
import { loadSources } from '../../sources/registry.ts';
import { defaultStreamSettings } from '../../sources/source.ts';
import { understand } from '../../sources/understand.ts';

/** One raw event as rules see it, without a catalog's enrichment. */
export interface RawEvent extends RuleEvent {
  readonly timeMs: number | undefined;
  /** The request half of a call: its other half counts. */
  readonly isAttempt: boolean;
}

export type ReadEvents = (text: string, parsed: unknown) => RawEvent[];

/**
 * Reads raw events with the adapters, for those no adapter knows as they are. One text may hold several.
 * `enrich` adds what a catalog knows; without it nothing is added.
 */
export async function rawEventReader(enrich?: Enricher): Promise<ReadEvents> {
  const registry = await loadSources();
  return (text, parsed) => {
    const events: RawEvent[] = [];
    for (const outcome of understand(recordOf(text), undefined, defaultStreamSettings, registry)) {
      if (outcome.kind !== 'ok') continue;
      const { event, redacted } = outcome.value;
      const [product = '', service = ''] = event.logsource.split('/');
      events.push({
        logsource: { product, service },
        native: redacted,
        kw: enrich ? { ...event, ...enrich(event) } : event,
        timeMs: Number(event.time / 1_000_000n),
        isAttempt: event.phase === 'attempt',
      });
    }
    if (events.length > 0) return events;
    return [{ logsource: {}, native: parsed, timeMs: timeOf(parsed), isAttempt: false }];
  };
}

/** A given log source is that of every event, also of those whose own shape says another. */
export function withLogsource(event: RawEvent, given: Logsource): RawEvent {
  const isOurs = given.category === 'secrets_audit' && event.kw === undefined;
  const kw = isOurs && typeof event.native === 'object' && event.native !== null ? event.native : event.kw;
  return { ...event, kw, logsource: given, isAttempt: false };
}

function recordOf(text: string): KwRecord {
  const value = Buffer.from(text, 'utf8');
  return { stream: 'stdin', partition: 0, epoch: 0, offset: 0n, timestamp: 0, key: null, headers: [], value };
}

const timeFields = ['@timestamp', 'timestamp', 'time', 'eventTime'];
/** Numbers up to here are seconds, milliseconds, microseconds: read as the next finer they would lie before 1973. */
const secondsMax = 1e11;
const millisecondsMax = 1e14;
const microsecondsMax = 1e17;

/** Milliseconds of the first field that is a time: a number since 1970, or a text, in UTC when it names no zone. */
function timeOf(event: unknown): number | undefined {
  if (typeof event !== 'object' || event === null) return undefined;
  for (const field of timeFields) {
    const value: unknown = Object.hasOwn(event, field)
      ? (event as Record<string, unknown>)[field]
      : undefined;
    if (typeof value !== 'string' && typeof value !== 'number') continue;
    const ms = msOf(value);
    if (Number.isFinite(ms)) return ms;
  }
  return undefined;
}

function msOf(value: string | number): number {
  const text = String(value);
  if (typeof value === 'number' || /^\d+(?:\.\d+)?$/.test(text)) {
    const number = Number(value);
    if (number <= secondsMax) return number * 1000;
    if (number <= millisecondsMax) return number;
    return number <= microsecondsMax ? number / 1e3 : number / 1e6;
  }
  // Without a zone a date-time would be read in that of this machine.
  return Date.parse(/^\d{4}-\d\d-\d\d[T ][\d:.]+$/.test(text) ? `${text.replace(' ', 'T')}Z` : text);
}
