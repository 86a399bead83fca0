import { timeText } from '../../core/event.ts';

export type Scalar = string | number | boolean | bigint | null;

/** What a field holds in one event: all it leads to (an array's elements each), and whether it is there. */
export interface Found {
  present: boolean;
  readonly values: Scalar[];
  readonly objects: object[];
}

export function createFound(): Found {
  return { present: false, values: [], objects: [] };
}

/** Arrays inside arrays below this depth are not looked into. */
const arrayDepthMax = 16;

/**
 * Reads a field of a native record. A dotted name is both a flat key and a path, in every way it can be split:
 * `a.b.c` is `{"a.b.c"}`, `{a:{b:{c}}}`, `{"a.b":{c}}` …; all that exist count.
 */
export function compileNativeField(name: string): (root: unknown, into: Found) => void {
  const joins = joinsOf(name);
  const [head = '', tail] = name.split('.', 2);
  if (joins.length > 2) return (root, into) => walk(root, joins, 0, into, 0);
  // One or two names are nearly all there are; without the general walk they cost half.
  return (root, into) => {
    if (!isObject(root) || Array.isArray(root)) return walk(root, joins, 0, into, 0);
    const whole = own(root, name);
    if (whole !== undefined) emit(whole, into, 0);
    if (tail === undefined) return;
    const inner = own(root, head);
    if (Array.isArray(inner)) return walk(inner, joins, 1, into, 0);
    const value = isObject(inner) ? own(inner, tail) : undefined;
    if (value !== undefined) emit(value, into, 0);
  };
}

/** Read first, asked for ownership only when something is there: most names are absent from most events. */
function own(object: Record<string, unknown>, key: string): unknown {
  const value = object[key];
  return value !== undefined && Object.hasOwn(object, key) ? value : undefined;
}

/** joins[i][k]: the segments i … i+k with dots between them. */
function joinsOf(name: string): string[][] {
  const segments = name.split('.');
  return segments.map((_, i) => segments.slice(i).map((_, k) => segments.slice(i, i + k + 1).join('.')));
}

function walk(node: unknown, joins: readonly string[][], from: number, into: Found, depth: number): void {
  if (Array.isArray(node)) {
    if (depth < arrayDepthMax) for (const element of node) walk(element, joins, from, into, depth + 1);
    const index = joins[from]?.[0] ?? '';
    if (/^\d{1,6}$/.test(index) && Object.hasOwn(node, index)) {
      const element: unknown = node[Number(index)];
      if (from + 1 === joins.length) emit(element, into, 0);
      else walk(element, joins, from + 1, into, depth);
    }
    return;
  }
  if (!isObject(node)) return;
  const keys = joins[from] as readonly string[];
  for (let k = 0; k < keys.length; k += 1) {
    const key = keys[k] as string;
    if (!Object.hasOwn(node, key)) continue;
    const next = from + k + 1;
    if (next === joins.length) emit(node[key], into, 0);
    else walk(node[key], joins, next, into, depth);
  }
}

function emit(value: unknown, into: Found, depth: number): void {
  into.present = true;
  if (Array.isArray(value)) {
    if (depth < arrayDepthMax) for (const element of value) emit(element, into, depth + 1);
  } else if (isScalar(value)) into.values.push(value);
  else if (isObject(value)) into.objects.push(value);
}

/** Times inside an AuditEvent are numbers; rules see them as people read them. */
const nanosecondFields = new Set(['time']);
const millisecondFields = new Set(['session_start', 'ingested_at']);

/**
 * Reads a normalised field. The event is taken as it is stored: blank ('' 0 [] {}) is missing, which spares a copy
 * of every event.
 */
export function compileEventField(name: string): (root: unknown, into: Found) => void {
  const dot = name.indexOf('.');
  const head = dot < 0 ? name : name.slice(0, dot);
  if (nanosecondFields.has(name) || millisecondFields.has(name)) {
    return (root, into) => {
      const value = isObject(root) && Object.hasOwn(root, name) ? root[name] : undefined;
      if (typeof value === 'bigint' && value !== 0n) emit(timeText(value), into, 0);
      else if (typeof value === 'number' && value !== 0) emit(new Date(value).toISOString(), into, 0);
      else if (typeof value === 'string' && value !== '') emit(value, into, 0);
    };
  }
  const joins = dot < 0 ? undefined : joinsOf(name);
  return (root, into) => {
    if (!isObject(root)) return;
    if (!joins) return emitEvent(own(root, head), into, 0);
    const found = createFound();
    walk(root, joins, 0, found, 0);
    for (const value of found.values) emitEvent(value, into, 0);
  };
}

function emitEvent(value: unknown, into: Found, depth: number): void {
  if (value === '' || value === 0 || value === 0n || value === null || value === undefined) return;
  if (Array.isArray(value)) {
    if (depth < arrayDepthMax) for (const element of value) emitEvent(element, into, depth + 1);
  } else if (isScalar(value)) {
    into.present = true;
    into.values.push(value);
  } else if (Object.keys(value).length > 0) {
    into.present = true;
    into.objects.push(value);
  }
}

/** Every scalar of a record, for keywords; at most this many, so that one giant record cannot stop the line. */
const leavesMax = 100_000;

export function collectLeaves(root: unknown): string[] {
  const out: string[] = [];
  const stack: unknown[] = [root];
  while (stack.length > 0 && out.length < leavesMax) {
    const node = stack.pop();
    if (typeof node === 'string') out.push(node);
    else if (typeof node === 'number' || typeof node === 'boolean' || typeof node === 'bigint')
      out.push(String(node));
    else if (Array.isArray(node)) for (const element of node) stack.push(element);
    else if (isObject(node)) for (const key of Object.keys(node)) stack.push(node[key]);
  }
  return out;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isScalar(value: unknown): value is Scalar {
  return (
    value === null ||
    (typeof value !== 'object' && typeof value !== 'undefined' && typeof value !== 'function')
  );
}
