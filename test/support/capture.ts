import { createTelemetry, type Telemetry } from '../../src/telemetry/telemetry.ts';

/** A telemetry whose lines can be read back. */
export function capture(): {
  telemetry: Telemetry;
  lines: () => Record<string, unknown>[];
  text: () => string;
} {
  let text = '';
  const write = (line: string) => {
    text += line;
  };
  const telemetry = createTelemetry({ level: 'debug', destination: { write } });
  const lines = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { telemetry, lines, text: () => text };
}
