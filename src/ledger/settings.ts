import type { StreamKey } from '../core/record.ts';
import { type Transport, transports } from './leaf.ts';
import { type MetaLeaf, type MetaLine, metaValue } from './meta.ts';

/** How one tree's records are read: fixed in a `settings` leaf, so that `verify` reads them the same way. */
export interface TreeBinding {
  readonly transport: Transport;
  /** The source bound to the stream; '' = detected record by record. */
  readonly source: string;
  /** The adapter's settings, by name; a list keeps its order. Undefined = not told. */
  readonly settings: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** The lines of a `settings` leaf: holds for the tree's leaves from index `from` on. */
export function bindingLines(key: StreamKey, from: number, binding: TreeBinding): MetaLine[] {
  const lines: MetaLine[] = [
    ['tree', `${key.stream}/${key.partition}/${key.epoch}`],
    ['from', String(from)],
    ['transport', binding.transport],
    ['source', binding.source],
  ];
  for (const name of Object.keys(binding.settings).sort()) {
    const value = binding.settings[name];
    if (typeof value === 'string') lines.push(['set', `${name} ${value}`]);
    else if (value !== undefined) {
      lines.push(['list', `${name} ${value.length}`]);
      for (const item of value) lines.push(['item', item]);
    }
  }
  return lines;
}

export interface BoundFrom extends TreeBinding {
  readonly tree: string;
  readonly from: number;
}

/** Reads a `settings` leaf; undefined when it is not one. */
export function parseBinding(leaf: MetaLeaf): BoundFrom | undefined {
  const tree = metaValue(leaf, 'tree');
  const from = Number(metaValue(leaf, 'from'));
  const transport = transports.find((t) => t === metaValue(leaf, 'transport'));
  if (leaf.kind !== 'settings' || tree === undefined || !Number.isSafeInteger(from) || !transport) {
    return undefined;
  }
  const settings: Record<string, string | string[]> = {};
  let list: string[] = [];
  for (const [name, value] of leaf.lines) {
    const at = value.indexOf(' ');
    if (name === 'set') settings[value.slice(0, at)] = value.slice(at + 1);
    if (name === 'list') {
      list = [];
      settings[value.slice(0, at)] = list;
    }
    if (name === 'item') list.push(value);
  }
  return { tree, from, transport, source: metaValue(leaf, 'source') ?? '', settings };
}

export function isSameBinding(a: TreeBinding, b: TreeBinding): boolean {
  const key: StreamKey = { stream: '', partition: 0, epoch: 0 };
  return JSON.stringify(bindingLines(key, 0, a)) === JSON.stringify(bindingLines(key, 0, b));
}
