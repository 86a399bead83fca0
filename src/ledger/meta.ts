/**
 * The meta-log's leaves: what happened to the ledger itself. Lines of `name value`, no JSON:
 * `keywitness-meta/v1`, `kind K`, `time T`, then the kind's own lines (docs/ledger.md, "Meta leaves").
 */
const metaTag = 'keywitness-meta/v1';
/** Above this a heartbeat is split into several leaves: a proof of one line stays small. */
export const metaBytesMax = 2048;

const metaKinds = [
  'start',
  'stop',
  'heartbeat',
  'settings',
  'gap',
  'epoch',
  'ack',
  'key',
  'retention',
  'hold',
  'erasure',
] as const;
export type MetaKind = (typeof metaKinds)[number];
export type MetaLine = readonly [name: string, value: string];

export interface MetaLeaf {
  readonly kind: MetaKind;
  /** Milliseconds. */
  readonly time: number;
  readonly lines: readonly MetaLine[];
}

/**
 * A clock that was set back is said in the leaf that meets it, or a time behind that of the leaf before would pass
 * for a forged one. A `key` leaf holds its own lines only: it takes the time of the leaf before.
 */
export function timeOfLeaf(
  kind: MetaKind,
  now: number,
  last: MetaLeaf | undefined,
): { readonly time: number; readonly noted: readonly MetaLine[] } {
  if (last === undefined || now >= last.time) return { time: now, noted: [] };
  if (kind === 'key') return { time: last.time, noted: [] };
  return { time: now, noted: [['clock', new Date(last.time).toISOString()]] };
}

function metaText(leaf: MetaLeaf): Buffer {
  const head = `${metaTag}\nkind ${leaf.kind}\ntime ${new Date(leaf.time).toISOString()}\n`;
  return Buffer.from(head + leaf.lines.map(lineText).join(''));
}

/** The same facts in as many leaves as the size limit asks for; never none. */
export function metaTexts(leaf: MetaLeaf): Buffer[] {
  const out: MetaLine[][] = [[]];
  const headBytes = metaText({ ...leaf, lines: [] }).length;
  let bytes = headBytes;
  for (const line of leaf.lines) {
    const more = Buffer.byteLength(lineText(line));
    if (bytes + more > metaBytesMax && bytes > headBytes) {
      out.push([]);
      bytes = headBytes;
    }
    out.at(-1)?.push(line);
    bytes += more;
  }
  return out.map((lines) => metaText({ ...leaf, lines }));
}

export function parseMeta(text: Buffer): MetaLeaf | undefined {
  const lines = text.toString().split('\n');
  if (lines.shift() !== metaTag || lines.pop() !== '') return undefined;
  const pairs = lines.map((line): MetaLine => {
    const at = line.indexOf(' ');
    return at < 0 ? [line, ''] : [line.slice(0, at), unescaped(line.slice(at + 1))];
  });
  const [kind, time, ...rest] = pairs;
  const known = metaKinds.find((k) => k === kind?.[1]);
  const ms = Date.parse(time?.[1] ?? '');
  if (kind?.[0] !== 'kind' || time?.[0] !== 'time' || known === undefined || Number.isNaN(ms))
    return undefined;
  return { kind: known, time: ms, lines: rest };
}

/** What a heartbeat or a `stop` lists. A `stream` line of another leaf, such as a hold's, pins nothing. */
export function listedStreams(leaf: MetaLeaf): string[] {
  if (leaf.kind !== 'heartbeat' && leaf.kind !== 'stop') return [];
  return leaf.lines.filter(([name]) => name === 'stream').map(([, value]) => value);
}

/** The value of the first line of that name. */
export function metaValue(leaf: MetaLeaf, name: string): string | undefined {
  return leaf.lines.find(([n]) => n === name)?.[1];
}

export function lineText([name, value]: MetaLine): string {
  return value === '' ? `${name}\n` : `${name} ${escaped(value)}\n`;
}

/** A value is one line whatever it holds: backslash and control characters are escaped. */
function escaped(value: string): string {
  return value.replace(
    /[\\\u0000-\u001f\u007f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function unescaped(value: string): string {
  return value.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
