import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import type { Position, Report } from './diagnostic.ts';

/** YAML with positions kept, so that every complaint can name file:line:column. */
export type Located = LocatedMap | LocatedSeq | LocatedScalar;

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** Digits as written for a plain number: integers above 2^53 keep them. */
  readonly source: string;
  readonly at: Position;
  /** Where the text itself begins (behind a quote); an offset into it is a column only when it is on one line. */
  readonly textAt: Position;
}

interface LocatedSeq {
  readonly kind: 'seq';
  readonly items: readonly Located[];
  readonly at: Position;
}

export interface Entry {
  readonly key: string;
  readonly at: Position;
  readonly value: Located;
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly at: Position;
}

/** A rule is a page of text; a megabyte of it is not a rule. */
const fileCharsMax = 1_048_576;
/** Aliases multiply: ten levels of ten are 10^10 nodes ("billion laughs"). */
const aliasesMax = 100;
const nodesMax = 100_000;
const depthMax = 64;

/** The documents of one file in order, `action: global|repeat|reset` already merged. */
export function readDocuments(text: string, report: Report): LocatedMap[] {
  const start = { line: 1, column: 1 };
  if (text.length > fileCharsMax) {
    report.error('yaml', start, `the file has more than ${fileCharsMax} characters`);
    return [];
  }
  try {
    return mergeCollections(parse(text, report), report);
  } catch (error) {
    // The parser recurses: thousands of nested brackets end its stack, not ours.
    if (!(error instanceof RangeError)) throw error;
    report.error('yaml', start, 'nested too deeply');
    return [];
  }
}

function parse(text: string, report: Report): LocatedMap[] {
  const lines = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const out: LocatedMap[] = [];
  // uniqueKeys compares every pair of keys; our own check below is a Set.
  for (const doc of parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })) {
    for (const problem of doc.errors) {
      report.error('yaml', position(problem.pos[0]), firstLine(problem.message));
    }
    for (const problem of doc.warnings)
      report.warn('yaml', position(problem.pos[0]), firstLine(problem.message));
    if (doc.errors.length > 0 || doc.contents === null) continue;
    const located = locate(doc.contents as Node, {
      report,
      position,
      resolve: (alias) => (isAlias(alias) ? alias.resolve(doc) : undefined),
      aliases: 0,
      nodes: 0,
    });
    if (located === undefined) continue;
    if (located.kind === 'map') out.push(located);
    else if (located.kind !== 'scalar' || located.value !== null) {
      report.error('yaml', located.at, 'a rule is a map with title, logsource and detection');
    }
  }
  return out;
}

interface Walk {
  readonly report: Report;
  readonly position: (offset: number) => Position;
  readonly resolve: (alias: unknown) => Node | undefined;
  aliases: number;
  nodes: number;
}

function locate(node: Node | null, walk: Walk, depth = 0): Located | undefined {
  const at = walk.position(node?.range?.[0] ?? 0);
  walk.nodes += 1;
  if (walk.nodes > nodesMax || depth > depthMax) return walk.report.error('yaml', at, 'too many values');
  if (node === null) return { kind: 'scalar', value: null, source: '', at, textAt: at };
  if (isAlias(node)) {
    walk.aliases += 1;
    if (walk.aliases > aliasesMax) return walk.report.error('yaml', at, `more than ${aliasesMax} aliases`);
    const target = walk.resolve(node);
    return target ? locate(target, walk, depth + 1) : walk.report.error('yaml', at, 'unknown alias');
  }
  if (isSeq(node)) {
    const items: Located[] = [];
    for (const item of node.items) {
      const located = locate(item as Node | null, walk, depth + 1);
      if (located) items.push(located);
    }
    return { kind: 'seq', items, at };
  }
  if (isMap(node)) return locateMap(node.items, at, walk, depth);
  if (!isScalar(node)) return walk.report.error('yaml', at, 'unexpected YAML node');
  const value = node.value;
  const known = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const isQuoted = node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE';
  return {
    kind: 'scalar',
    value: known ? value : value === null || value === undefined ? null : String(value),
    source: node.source ?? '',
    at,
    textAt: isQuoted ? { line: at.line, column: at.column + 1 } : at,
  };
}

function locateMap(
  items: readonly { key: unknown; value: unknown }[],
  at: Position,
  walk: Walk,
  depth: number,
): LocatedMap {
  const entries = new Map<string, Entry>();
  for (const pair of items) {
    const keyNode = pair.key as Node | null;
    const keyAt = walk.position(keyNode?.range?.[0] ?? 0);
    if (!isScalar(keyNode)) {
      walk.report.error('yaml', keyAt, 'a key must be plain text');
      continue;
    }
    const key = String(keyNode.source ?? keyNode.value ?? '');
    if (entries.has(key)) {
      walk.report.error('yaml', keyAt, `the key '${key}' stands twice`);
      continue;
    }
    const value = locate((pair.value ?? null) as Node | null, walk, depth + 1);
    // A key without value has no node of its own: the complaint belongs at the key.
    if (value)
      entries.set(key, { key, at: keyAt, value: pair.value === null ? { ...value, at: keyAt } : value });
  }
  return { kind: 'map', entries, at };
}

/**
 * Collections (the v1 way to share parts between documents): `global` is merged into every document after it,
 * `repeat` is the last document with changes, `reset` forgets the global parts.
 */
function mergeCollections(documents: readonly LocatedMap[], report: Report): LocatedMap[] {
  const out: LocatedMap[] = [];
  let shared: LocatedMap | undefined;
  let previous: LocatedMap | undefined;
  for (const doc of documents) {
    const action = doc.entries.get('action');
    const name = action?.value.kind === 'scalar' ? action.value.value : undefined;
    if (!action) {
      previous = shared ? merged(shared, doc) : doc;
      out.push(previous);
    } else if (name === 'global') {
      shared = shared ? merged(shared, without(doc, 'action')) : without(doc, 'action');
    } else if (name === 'reset') {
      shared = undefined;
    } else if (name === 'repeat') {
      if (!previous) report.error('action', action.at, 'nothing stands before this to repeat');
      else {
        previous = merged(previous, without(doc, 'action'));
        out.push(previous);
      }
    } else report.error('action', action.at, "action is 'global', 'repeat' or 'reset'");
  }
  return out;
}

function without(map: LocatedMap, key: string): LocatedMap {
  const entries = new Map(map.entries);
  entries.delete(key);
  return { ...map, entries };
}

function merged(base: LocatedMap, over: LocatedMap): LocatedMap {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const old = entries.get(key);
    const both = old?.value.kind === 'map' && entry.value.kind === 'map';
    entries.set(
      key,
      both ? { ...entry, value: merged(old.value as LocatedMap, entry.value as LocatedMap) } : entry,
    );
  }
  return { kind: 'map', entries, at: over.at };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}
