import type { BaselineDocument } from './document.ts';

const unitMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

export function durationMs(text: string): number {
  const m = /^(\d+)([smhdw])$/.exec(text);
  if (!m) throw new TypeError(`not a duration: ${text}`);
  return Number(m[1]) * (unitMs[m[2] as string] as number);
}

/** A parameter of a document; a missing or misspelt one is a mistake in a reviewed file, so it stops the start. */
export function parameter(document: BaselineDocument, name: string): number {
  const value = document.parameters[name];
  if (value === undefined) throw new TypeError(`${document.id}: parameter ${name} is missing`);
  return typeof value === 'number' ? value : durationMs(value);
}
