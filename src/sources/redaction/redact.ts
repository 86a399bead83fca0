import { depthMax } from '../reading/exact.ts';
import { exposedMax } from '../reading/finish.ts';
import type { SecretPlace } from '../source.ts';
import { isSecretValue, keyKind, kindOfKey } from './names.ts';
import { mask, maskShapes, type ShapeTest } from './shapes.ts';

/** What one walk over a parsed value tells; the walk is all that an innocent record costs. */
export interface Survey {
  keys: number;
  isTooDeep: boolean;
  hasProtoKey: boolean;
  /** A number that JSON.parse may have rounded. */
  hasUnsafeNumber: boolean;
  /** A key that holds a secret, or a secret below a key that says so. */
  hasSecret: boolean;
}

export function survey(value: unknown): Survey {
  const found: Survey = {
    keys: 0,
    isTooDeep: false,
    hasProtoKey: false,
    hasUnsafeNumber: false,
    hasSecret: false,
  };
  if (typeof value === 'object' && value !== null) visit(value, 1, found, false);
  return found;
}

function visit(value: object, depth: number, found: Survey, isBelowSensitive: boolean): void {
  if (depth > depthMax) {
    found.isTooDeep = true;
    return;
  }
  if (Array.isArray(value)) {
    for (const element of value) {
      if (typeof element === 'object' && element !== null) visit(element, depth + 1, found, false);
      else if (typeof element === 'number') judgeNumber(element, found);
      else if (isBelowSensitive && isSecretValue(element)) found.hasSecret = true;
    }
    return;
  }
  const object = value as Record<string, unknown>;
  for (const key in object) {
    found.keys++;
    const kind = kindOfKey(key);
    const below = object[key];
    if (kind === keyKind.exposed) found.hasSecret = true;
    else if (kind === keyKind.proto) found.hasProtoKey = true;
    if (typeof below === 'object') {
      if (below !== null) visit(below, depth + 1, found, kind === keyKind.sensitive);
    } else if (typeof below === 'number') judgeNumber(below, found);
    else if (kind === keyKind.sensitive && isSecretValue(below)) found.hasSecret = true;
  }
}

/** 2^53 + 1 is read as 2^53: whatever was rounded lies beyond the safe integers. */
function judgeNumber(value: number, found: Survey): void {
  if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) found.hasUnsafeNumber = true;
}

export interface Redacted {
  readonly value: unknown;
  /** JSON pointers (RFC 6901) of what was cut out, at most 64; they hold no secret themselves. */
  readonly exposed: readonly string[];
  /** True when every one of them is a place where the source always writes a secret. */
  readonly isUsual: boolean;
}

/** A copy without secrets. The walk above has bounded the depth. */
export function redact(value: unknown, places: readonly SecretPlace[], shapes: ShapeTest): Redacted {
  const words = places.flatMap((p) => (p.text === undefined ? [] : [p.text]));
  const whole = new Map<string, SecretPlace>();
  for (const place of places) if (place.text === undefined) whole.set(pointerOf(place.at), place);
  const exposed: string[] = [];
  let isUsual = true;

  const note = (pointer: string, isUsualHere: boolean): string => {
    if (!isUsualHere) isUsual = false;
    if (exposed.length < exposedMax && exposed[exposed.length - 1] !== pointer) exposed.push(pointer);
    return mask;
  };
  const clean = (text: string): string =>
    maskShapes(
      words.reduce((t, word) => t.replaceAll(word, mask), text),
      shapes,
    );

  const copy = (below: unknown, pointer: string, isBelowSensitive: boolean): unknown => {
    const place = whole.get(pointer);
    if (place !== undefined) return blank(below, () => note(pointer, place.isUsual === true));
    if (typeof below === 'string') {
      if (isBelowSensitive && isSecretValue(below)) return note(pointer, false);
      const cleaned = clean(below);
      if (cleaned !== below) note(pointer, false);
      return cleaned;
    }
    if (Array.isArray(below))
      return below.map((v, i) => copy(v, `${pointer}/${i}`, isBelowSensitive && !isContainer(v)));
    return isContainer(below) ? copyObject(below, pointer) : below;
  };
  const copyObject = (object: Record<string, unknown>, pointer: string): Record<string, unknown> => {
    const out: Record<string, unknown> = {};
    const used = new Map<string, number>();
    for (const key in object) {
      const kind = kindOfKey(key);
      const shown = kind === keyKind.exposed ? exposedName(key, shapes) : clean(key);
      const name = shown === key ? key : numbered(shown, used);
      const at = `${pointer}/${escaped(name)}`;
      if (name !== key) note(at, false);
      out[name] = copy(object[key], at, kind === keyKind.sensitive);
    }
    return out;
  };
  const result = copy(value, '', false);
  return { value: result, exposed, isUsual: isUsual && exposed.length > 0 };
}

/** Keys that look alike once masked are told apart by number. */
function numbered(name: string, used: Map<string, number>): string {
  const n = (used.get(name) ?? 0) + 1;
  used.set(name, n);
  return n === 1 ? name : `${name}-${n}`;
}

/** A key that is all secret goes whole; of one that only holds a known shape the rest may be read. */
function exposedName(key: string, shapes: ShapeTest): string {
  const cleaned = maskShapes(key, shapes);
  return cleaned === key ? mask : cleaned;
}

/** Every string below, but HMACs, which are no secrets and join records. */
function blank(value: unknown, note: () => string): unknown {
  if (typeof value === 'string') return value === '' || value.startsWith('hmac-sha256:') ? value : note();
  if (Array.isArray(value)) return value.map((v) => blank(v, note));
  if (!isContainer(value)) return value;
  const out: Record<string, unknown> = {};
  for (const key in value) out[key] = blank(value[key], note);
  return out;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function pointerOf(keys: readonly string[]): string {
  return keys.map((k) => `/${escaped(k)}`).join('');
}

function escaped(key: string): string {
  return key.replace(/~/g, '~0').replace(/\//g, '~1');
}
