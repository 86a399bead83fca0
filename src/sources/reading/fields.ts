/** Reading values of unknown shape: every one gives a plain value of its type, '' / 0 / [] when it is something else. */
export type Native = Readonly<Record<string, unknown>>;

const nothing: Native = Object.freeze({});

export function objectOf(value: unknown): Native {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Native) : nothing;
}

export function isObject(value: unknown): value is Native {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

export function textsOf(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((v): v is string => typeof v === 'string');
}

/** UInt32 of the store: whole, not negative, not beyond. */
export function countOf(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0)) return 0;
  return Math.min(Math.floor(value), 0xffff_ffff);
}
