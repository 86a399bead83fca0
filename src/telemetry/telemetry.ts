import { type DestinationStream, type Logger, pino } from 'pino';
import { createMetrics, type Metrics } from './metrics.ts';

/**
 * Log and metrics of one process. Nobody logs or counts by itself: each operational event is one named function
 * (`*Events.ts`) that does both, so that they cannot disagree. ERROR means a person must act.
 */
export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** What is wrong now, a sentence by what it is about; `/healthz` lists it. Events set and delete it. */
  readonly faults: Map<string, string>;
}

export interface TelemetryOptions {
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: stderr; data goes to stdout. */
  readonly destination?: DestinationStream;
}

/** Names whose values never reach a line, wherever they stand. Events name their fields; this is the net below. */
const secretNames = [
  'password',
  'token',
  'secret',
  'authorization',
  'apiKey',
  'api_key',
  'sasl',
  'value',
  'key',
];

export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  const paths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  const log = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths, censor: '[secret]' },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
  return { log, metrics: createMetrics(), faults: new Map() };
}

/** What went wrong, in one line and without the values an error object may carry along. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return (text.split('\n')[0] ?? '').slice(0, 500);
}
