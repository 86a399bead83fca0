import {
  addTree,
  type Files,
  filesOf,
  folderOf,
  hashesOf,
  keyOf,
  leafHash,
  leafOf,
  metaHashes,
  metaLeaf,
  metaOriginOf,
  noteOf,
  originOf,
  pinLine,
  type Random,
  recordLines,
  rolloverLines,
  rootLines,
  type ToyKey,
  type ToyLeaf,
  type ToyLog,
  type ToyStream,
  tileName,
  treeHash,
  treeOf,
  vkeyOf,
} from './toyBundle.ts';

/** What an attacker left behind, and where an honest report must point. */
export interface Attacked {
  readonly files: Files;
  /** Whose keys the reader pins: the log's first, or (an attack on keys.txt) none. */
  readonly trust: 'pinned' | 'policy';
  /** The tree, and the first leaf that is not as it was; undefined leaf = the tree as a whole. */
  readonly tree: string;
  readonly index?: number;
}

/** Undefined = this log has nothing to attack in this way. */
export type Attack = (log: ToyLog, random: Random) => Attacked | undefined;

/** A stream and a leaf of it whose bytes are still there. */
function victim(
  log: ToyLog,
  random: Random,
): { s: ToyStream; index: number; leaf: ToyLeaf & { text: string; raw: Buffer } } {
  const streams = log.streams.filter((s) => s.leaves.filter(isFull).length > 2);
  const s = streams[random(streams.length)] as ToyStream;
  const full = s.leaves.flatMap((l, i) => (isFull(l) ? [i] : []));
  const index = full[random(full.length)] as number;
  return { s, index, leaf: s.leaves[index] as ToyLeaf & { text: string; raw: Buffer } };
}

const isFull = (l: ToyLeaf) =>
  l.text !== undefined && l.raw !== undefined && l.raw !== null && l.raw.length > 0;
const bigOf = (log: ToyLog) => log.streams[0] as ToyStream;
const thief = (log: ToyLog) => keyOf(`thief of ${log.logId}`);
const changedByte = (bytes: Buffer, random: Random) => {
  const out = Buffer.from(bytes);
  const at = random(out.length);
  out[at] = (out[at] ?? 0) ^ (1 << random(7));
  return out;
};
const recordsOf = (s: ToyStream) => `${folderOf(s)}/records.ndjson`;

/** Replaces one stream's tree files by those of other leaves; its checkpoint stays. */
function withLeaves(files: Files, s: ToyStream, leaves: readonly ToyLeaf[]): void {
  const changed = { ...s, leaves: [...leaves] };
  addTree(
    files,
    folderOf(s),
    hashesOf(changed),
    leaves.map((l) => l.text ?? ''),
  );
  files.set(recordsOf(s), Buffer.from(recordLines(changed).join('')));
}

/** A record of the attacker's own in the place of another. */
function forgedLeaf(s: ToyStream, { offset }: ToyLeaf, random: Random): ToyLeaf {
  return leafOf(s, offset, Buffer.from(`{"nothing":"happened ${random(1e9)}"}`), 1_767_225_600_000);
}

function replaced<T>(list: readonly T[], at: number, ...by: T[]): T[] {
  return [...list.slice(0, at), ...by, ...list.slice(at + 1)];
}

/** Signs the log's streams and meta-log again with whatever keys the attacker holds, and pins what is there now. */
function signedAgain(log: ToyLog, key: ToyKey, isWitnessed = false): Files {
  const root = treeHash(metaHashes(log));
  log.metaCheckpoint = { size: log.meta.length, root, keys: [key], isWitnessed };
  for (const s of log.streams) {
    if (!s.isEnded) s.checkpoint = { size: s.leaves.length, root: treeHash(hashesOf(s)), key };
  }
  return filesOf(log);
}

/** Writes every pin of this stream again, as if the leaves had always been so. */
function pinnedAgain(log: ToyLog, s: ToyStream): void {
  const origin = originOf(log, s);
  log.meta = log.meta.map((text) =>
    text.replace(
      new RegExp(`^stream ${origin.replaceAll('.', '\\.')} (\\d+) \\S+$`, 'gm'),
      (_, size: string) => pinLine(log, s, Number(size)),
    ),
  );
}

/** The meta-log as it is now, signed with the key in force, which was stolen; the witness saw none of it. */
function signedByThief(log: ToyLog): Pick<Attacked, 'files' | 'trust'> {
  const { keys } = log.metaCheckpoint;
  const root = treeHash(metaHashes(log));
  log.metaCheckpoint = { size: log.meta.length, root, keys, isWitnessed: false };
  return { files: filesOf(log), trust: 'pinned' };
}

export const attacks: Readonly<Record<string, Attack>> = {
  'record changed': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    const leaves = replaced(s.leaves, index, { ...leaf, raw: changedByte(leaf.raw, random) });
    files.set(recordsOf(s), Buffer.from(recordLines({ ...s, leaves }).join('')));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'leaf text changed': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    const path = `${folderOf(s)}/tile/entries/${tileName(index >> 8, Math.min(256, s.leaves.length - (index & ~255)))}`;
    const bytes = files.get(path) as Buffer;
    const at = bytes.indexOf(leaf.text) + 60 + random(leaf.text.length - 61);
    files.set(path, Buffer.from(bytes.map((b, i) => (i === at ? b ^ 1 : b))));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'tile hash changed': (log, random) => {
    const { s, index } = victim(log, random);
    const files = filesOf(log);
    const path = `${folderOf(s)}/tile/0/${tileName(index >> 8, Math.min(256, s.leaves.length - (index & ~255)))}`;
    const bytes = Buffer.from(files.get(path) as Buffer);
    const at = (index & 255) * 32 + random(32);
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    files.set(path, bytes);
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'record and tree changed together, no key': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    withLeaves(files, s, replaced(s.leaves, index, forgedLeaf(s, leaf, random)));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'record line deleted': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    if (index >= s.leaves.length - 1) return undefined;
    const { offset, hash, text } = leaf;
    const files = filesOf(log);
    const leaves = replaced(s.leaves, index, { offset, hash, text });
    files.set(recordsOf(s), Buffer.from(recordLines({ ...s, leaves }).join('')));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'record deleted from the tree': (log, random) => {
    const { s, index } = victim(log, random);
    const files = filesOf(log);
    withLeaves(files, s, replaced(s.leaves, index));
    // One leaf too few for its checkpoint: all that can be said is that the tree is not whole.
    return { files, trust: 'pinned', tree: treeOf(s) };
  },
  'record inserted': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    withLeaves(
      files,
      s,
      replaced(s.leaves, index, leaf, forgedLeaf(s, { ...leaf, offset: leaf.offset + 1n }, random)),
    );
    return { files, trust: 'pinned', tree: treeOf(s) };
  },
  'record line doubled': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    const lines = recordLines(s);
    const line = `{"index":${index},"raw":"${leaf.raw.toString('base64')}"}\n`;
    const at = lines.indexOf(line);
    files.set(recordsOf(s), Buffer.from(replaced(lines, at, line, line).join('')));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'two records exchanged': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const next = s.leaves[index + 1];
    if (next === undefined || !isFull(next)) return undefined;
    const files = filesOf(log);
    const leaves = [...s.leaves.slice(0, index), next, leaf, ...s.leaves.slice(index + 2)];
    withLeaves(files, s, leaves);
    return { files, trust: 'pinned', tree: treeOf(s), index: index + 1 };
  },
  'end of the records cut': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    const files = filesOf(log);
    const lines = recordLines(s);
    const at = lines.indexOf(`{"index":${index},"raw":"${leaf.raw.toString('base64')}"}\n`);
    files.set(recordsOf(s), Buffer.from(lines.slice(0, at).join('')));
    return { files, trust: 'pinned', tree: treeOf(s), index };
  },
  'tree rolled back to a checkpoint that was true': (log, random) => {
    const { s } = victim(log, random);
    const pins = [
      ...log.meta
        .join('')
        .matchAll(new RegExp(`stream ${originOf(log, s).replaceAll('.', '\\.')} (\\d+) `, 'g')),
    ];
    const size = Number(pins[random(pins.length)]?.[1]);
    if (size === s.leaves.length) return undefined;
    const files = filesOf(log);
    const leaves = s.leaves.slice(0, size);
    withLeaves(files, s, leaves);
    const note = noteOf(originOf(log, s), size, treeHash(leaves.map((l) => l.hash)), [s.checkpoint.key]);
    files.set(`${folderOf(s)}/checkpoint`, Buffer.from(note));
    return { files, trust: 'pinned', tree: treeOf(s) };
  },
  'a whole tree taken away': (log, random) => {
    const { s } = victim(log, random);
    const files = filesOf(log);
    for (const path of [...files.keys()]) if (path.startsWith(`${folderOf(s)}/`)) files.delete(path);
    return { files, trust: 'pinned', tree: treeOf(s) };
  },
  'meta-log rolled back': (log) => {
    // To before the heartbeat that pinned the biggest stream as it is now: an older state of the log, once true.
    const now = `stream ${originOf(log, bigOf(log))} ${bigOf(log).leaves.length} `;
    const size = log.meta.findIndex((text) => text.includes(now));
    // The key in force then signs; what came after is forgotten.
    const old = log.meta.slice(0, size);
    const keys = log.keys.filter(
      (k) =>
        !log.meta
          .slice(size)
          .join('')
          .includes(`new ${k.publicKey.toString('base64')}`),
    );
    const before = { ...log, meta: old, keys };
    const era = keys.at(-1) as ToyKey;
    const isAtRollover =
      (old.at(-1) ?? '').includes('\nkind key\nt') && (old.at(-1) ?? '').includes('\nby previous');
    const signers = isAtRollover ? keys.slice(-2) : [era];
    before.metaCheckpoint = { size, root: treeHash(old.map(leafHash)), keys: signers, isWitnessed: true };
    const files = filesOf(before);
    return { files, trust: 'policy', tree: '' };
  },
  'signature changed': (log, random) => {
    const files = filesOf(log);
    const { s } = victim(log, random);
    const isMeta = random(2) === 0;
    const path = isMeta ? 'trees/meta/checkpoint' : `${folderOf(s)}/checkpoint`;
    const [body, signature] = (files.get(path) as Buffer).toString().split(/(?<=\n\n)/) as [string, string];
    const [name, encoded, ...rest] = signature.split(/(?<= )(?=[A-Za-z0-9+/=]{60})|\n/) as [string, string];
    const bytes = Buffer.from(encoded, 'base64');
    const at = 4 + random(bytes.length - 4);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    files.set(path, Buffer.from(`${body}${name}${bytes.toString('base64')}\n${rest.join('\n')}`));
    return { files, trust: 'pinned', tree: isMeta ? 'meta' : treeOf(s) };
  },
  'everything signed again with another key': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    s.leaves[index] = forgedLeaf(s, leaf, random);
    pinnedAgain(log, s);
    log.keys.splice(0, log.keys.length, thief(log));
    log.meta = log.meta.map((text, i) =>
      i === 0
        ? metaLeaf('start', 1_767_225_600_000, ['after nothing'])
        : text.includes('\nkind key\n')
          ? metaLeaf('ack', 1_767_225_600_000, [])
          : text,
    );
    for (const other of log.streams) other.checkpoint = { ...other.checkpoint, key: thief(log) };
    return { files: signedAgain(log, thief(log)), trust: 'pinned', tree: 'meta' };
  },
  'checkpoint of a stream signed again with the stolen key': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    s.leaves[index] = forgedLeaf(s, leaf, random);
    s.checkpoint = { ...s.checkpoint, root: treeHash(hashesOf(s)) };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s) };
  },
  'newest pin rewritten with the stolen key, older ones left': (log, random) => {
    const s = bigOf(log);
    const { index, leaf } = victim({ ...log, streams: [s] }, random);
    s.leaves[index] = forgedLeaf(s, leaf, random);
    const at = log.meta.findLastIndex((text) =>
      text.includes(`stream ${originOf(log, s)} ${s.leaves.length} `),
    );
    const isOld = log.meta.some((text, i) => {
      const size = Number(
        new RegExp(`stream ${originOf(log, s).replaceAll('.', '\\.')} (\\d+) `).exec(text)?.[1] ?? 0,
      );
      return i !== at && size > index && size < s.leaves.length;
    });
    if (!isOld) return undefined;
    const now = `stream ${originOf(log, s)} ${s.leaves.length} `;
    log.meta = log.meta.map((text) =>
      text
        .split('\n')
        .map((line) => (line.startsWith(now) ? pinLine(log, s) : line))
        .join('\n'),
    );
    s.checkpoint = { ...s.checkpoint, root: treeHash(hashesOf(s)) };
    const { keys } = log.metaCheckpoint;
    log.metaCheckpoint = { size: log.meta.length, root: treeHash(metaHashes(log)), keys, isWitnessed: false };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s), index };
  },
  'the whole history rewritten with the stolen key': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    s.leaves[index] = forgedLeaf(s, leaf, random);
    s.checkpoint = { ...s.checkpoint, root: treeHash(hashesOf(s)) };
    pinnedAgain(log, s);
    const { keys } = log.metaCheckpoint;
    // Retention leaves are made to fit too; the witness alone remembers.
    log.metaCheckpoint = { size: log.meta.length, root: treeHash(metaHashes(log)), keys, isWitnessed: false };
    return { files: filesOf(log), trust: 'policy', tree: 'meta' };
  },
  'signed with a key that was retired': (log) => {
    const old = log.keys.at(-2);
    if (old === undefined || log.metaCheckpoint.keys.length > 1) return undefined;
    log.metaCheckpoint = { ...log.metaCheckpoint, keys: [old] };
    return { files: filesOf(log), trust: 'pinned', tree: 'meta' };
  },
  'an old stream signed with a newer key': (log) => {
    const s = log.streams[2] as ToyStream;
    const [key] = log.keys.slice(-1) as [ToyKey];
    if (log.keys.length < 2 || s.checkpoint.key === key) return undefined;
    s.checkpoint = { ...s.checkpoint, key };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s) };
  },
  'a key of the attacker’s own, endorsed by nobody': (log) => {
    const at = log.meta.length;
    const lines = rolloverLines(log, at, log.keys.at(-1) as ToyKey, thief(log), thief(log));
    log.meta.push(
      metaLeaf('key', 1_767_225_600_000 + at * 10_000, lines),
      metaLeaf('heartbeat', 1_767_225_600_000 + (at + 1) * 10_000, []),
    );
    return {
      files: signedAgain({ ...log, streams: log.streams.map((s) => ({ ...s, isEnded: true })) }, thief(log)),
      trust: 'pinned',
      tree: 'meta',
      index: at,
    };
  },
  'a root of the attacker’s own, registered before the key that is trusted': (log) => {
    // The pinned key is real and stands in the log; what leads from the log's beginning past it is the attacker's.
    const [real] = log.keys as [ToyKey];
    const [before, own] = [keyOf('before'), keyOf('own root')];
    const at = (index: number) => 1_767_225_600_000 + index * 10_000;
    log.meta = [metaLeaf('start', at(0), [`key ${vkeyOf(metaOriginOf(log), before)}`])];
    log.meta.push(metaLeaf('key', at(1), rootLines(log, 1, before, own)));
    log.meta.push(metaLeaf('key', at(2), rolloverLines(log, 2, before, real, before)));
    log.meta.push(metaLeaf('key', at(3), rolloverLines(log, 3, real, thief(log), own, 'root')));
    log.meta.push(
      metaLeaf(
        'heartbeat',
        at(4),
        log.streams.map((s) => pinLine(log, s)),
      ),
    );
    for (const s of log.streams) s.isEnded = false;
    return { files: signedAgain(log, thief(log)), trust: 'pinned', tree: 'meta' };
  },
  'a time set back with the stolen key': (log, random) => {
    const index = 2 + random(log.meta.length - 2);
    log.meta[index] = (log.meta[index] as string).replace(/^time .*$/m, 'time 2020-01-01T00:00:00.000Z');
    const { keys } = log.metaCheckpoint;
    log.metaCheckpoint = { size: log.meta.length, root: treeHash(metaHashes(log)), keys, isWitnessed: false };
    return { files: filesOf(log), trust: 'pinned', tree: 'meta', index };
  },
  'erased without a word': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    if (index >= s.leaves.length - 1) return undefined;
    s.leaves[index] = { offset: leaf.offset, hash: leaf.hash };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s), index };
  },
  'erased by one person, with the stolen key': (log, random) => {
    const { s, index, leaf } = victim(log, random);
    if (index >= s.leaves.length - 1) return undefined;
    s.leaves[index] = { offset: leaf.offset, hash: leaf.hash };
    const at = log.meta.length;
    const two = random(2) === 0 ? ['approver Eve', 'approver  eve '] : ['approver Eve'];
    log.meta.push(
      metaLeaf('erasure', 1_767_225_600_000 + at * 10_000, [
        `tree ${treeOf(s)}`,
        `offset ${leaf.offset}`,
        `index ${index}`,
        `leaf ${leaf.hash.toString('hex')}`,
        'basis none',
        ...two,
      ]),
    );
    const keys = [log.keys.at(-1) as ToyKey];
    log.metaCheckpoint = { size: log.meta.length, root: treeHash(metaHashes(log)), keys, isWitnessed: false };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s), index };
  },
  'one record more than was lawfully dropped': (log) => {
    const s = bigOf(log);
    const index = s.leaves.findIndex((l) => l.text !== undefined);
    if (index <= 0 || s.leaves[index]?.text === undefined || index >= s.leaves.length - 2) return undefined;
    const { offset, hash } = s.leaves[index] as ToyLeaf;
    s.leaves[index] = { offset, hash };
    return { files: filesOf(log), trust: 'pinned', tree: treeOf(s), index };
  },
  'lawfully dropped, and not what was dropped, with the stolen key': (log) => {
    const at = log.meta.findIndex((text) => text.includes('\nkind retention\n'));
    if (at < 0) return undefined;
    log.meta[at] = (log.meta[at] as string).replace(
      /^root .*$/m,
      `root ${treeHash(hashesOf(bigOf(log))).toString('base64')}`,
    );
    return { ...signedByThief(log), tree: treeOf(bigOf(log)), index: 0 };
  },
  'lawfully erased, and not what was erased, with the stolen key': (log) => {
    const at = log.meta.findIndex((text) => text.includes('\nkind erasure\n'));
    const index = Number(/^index (\d+)$/m.exec(log.meta[at] ?? '')?.[1]);
    if (at < 0) return undefined;
    log.meta[at] = (log.meta[at] as string).replace(
      /^leaf .*$/m,
      `leaf ${hashesOf(bigOf(log))[index + 1]?.toString('hex')}`,
    );
    return { ...signedByThief(log), tree: treeOf(bigOf(log)), index };
  },
  'a record of another stream slipped in with the stolen key': (log, random) => {
    const [s, other] = log.streams as [ToyStream, ToyStream];
    const index = s.leaves.findLastIndex(isFull);
    const foreign = other.leaves[random(other.leaves.length)] as ToyLeaf;
    if (index < 0 || foreign.raw === undefined) return undefined;
    s.leaves[index] = { ...foreign, offset: s.leaves[index]?.offset ?? 0n };
    s.checkpoint = { ...s.checkpoint, root: treeHash(hashesOf(s)) };
    pinnedAgain(log, s);
    return { ...signedByThief(log), tree: treeOf(s), index };
  },
  'the end cut off and the log gone on, with the stolen key': (log) => {
    const [s] = log.streams as [ToyStream];
    const at = log.meta.length;
    s.leaves = s.leaves.slice(0, -1);
    log.meta.push(metaLeaf('heartbeat', 1_767_225_600_000 + at * 10_000, [pinLine(log, s)]));
    s.checkpoint = { size: s.leaves.length, root: treeHash(hashesOf(s)), key: log.keys.at(-1) as ToyKey };
    log.metaCheckpoint = { ...log.metaCheckpoint, keys: [log.keys.at(-1) as ToyKey] };
    return { ...signedByThief(log), tree: 'meta', index: at };
  },
  'a cosignature changed': (log, random) => {
    const files = filesOf(log);
    const lines = (files.get('trees/meta/checkpoint') as Buffer).toString().split('\n');
    const [encoded] = (lines.at(-2) ?? '').split(' ').slice(-1) as [string];
    const bytes = changedByte(Buffer.from(encoded, 'base64').subarray(4), random);
    const whole = Buffer.concat([Buffer.from(encoded, 'base64').subarray(0, 4), bytes]).toString('base64');
    files.set('trees/meta/checkpoint', Buffer.from(lines.join('\n').replace(encoded, () => whole)));
    return { files, trust: 'policy', tree: 'meta' };
  },
  'a leaf of the meta-log changed': (log, random) => {
    const files = filesOf(log);
    const index = random(log.meta.length);
    const text = log.meta[index] as string;
    const width = Math.min(256, log.meta.length);
    const path = `trees/meta/tile/entries/${tileName(0, width)}`;
    const bytes = Buffer.from(files.get(path) as Buffer);
    const at = bytes.indexOf(text) + random(text.length);
    bytes[at] = (bytes[at] ?? 0) ^ 2;
    files.set(path, bytes);
    return { files, trust: 'pinned', tree: 'meta', index };
  },
  'any bit of any file of a tree': (log, random) => {
    const files = filesOf(log);
    const paths = [...files.keys()].filter(
      (path) => path.startsWith('trees/') && (files.get(path)?.length ?? 0) > 0,
    );
    const path = paths[random(paths.length)] as string;
    files.set(path, changedByte(files.get(path) as Buffer, random));
    return { files, trust: 'policy', tree: '' };
  },
  'any file of a tree cut anywhere': (log, random) => {
    const files = filesOf(log);
    const paths = [...files.keys()].filter(
      (path) => path.startsWith('trees/') && (files.get(path)?.length ?? 0) > 0,
    );
    const path = paths[random(paths.length)] as string;
    const bytes = files.get(path) as Buffer;
    files.set(path, bytes.subarray(0, random(bytes.length)));
    return { files, trust: 'policy', tree: '' };
  },
};
