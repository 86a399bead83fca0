#!/usr/bin/env node
// Verifies what Keywitness gives out, without Keywitness: this one file and Node 20 or newer, nothing to install, no
// network. Written from docs/ledger.md and the specifications it names; it shares no code with the program.
//   node verify.mjs PATH [--keys FILE] [--policy FILE]
// PATH is a proof folder, a bundle, or any C2SP .tlog-proof file. FILE of --keys: verifier keys, one a line; of --policy:
// C2SP tlog-policy. Without either the keys inside PATH count, and all that is shown is that PATH agrees with itself.
// One JSON line on stdout, {"path","verdict","findings"}; words on stderr. Exit codes: 0 intact, 1 tampered,
// 2 truncated, 3 unknown (cannot tell), 4 expired (intact, some of it lawfully gone), 64 wrong usage.
import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import { existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
const verdicts = ['intact', 'tampered', 'truncated', 'unknown', 'expired']; // by exit code
const classes = [[], [], ['truncated', 'rolled-back'], ['unknown-key', 'no-keys', 'no-quorum', 'no-leaf'], ['expired-lawful', 'erased-lawful']];
const [findings, counts] = [[], {}];
function found(kind, where, words) { // a class that is not listed is tampering; the first of each class are kept
  if ((counts[kind] = (counts[kind] ?? 0) + 1) <= 100) findings.push({ class: kind, where, words, exit: Math.abs(classes.findIndex((c) => c.includes(kind))) });
}
const isFile = (path) => existsSync(path) && statSync(path).isFile();
/** Undefined = no such file. Of what is longer than any file of a log only that is told: zeroes are none of its bytes. */
const readFile = (path) => (!isFile(path) ? undefined : statSync(path).size > 1 << 27 ? Buffer.alloc(1 << 27) : readFileSync(path));
// --- Hashes: RFC 6962 section 2.1 -----------------------------------------------------------------------------------
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leafHash = (data) => sha256(Buffer.from([0]), data);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);
class Tree { // one that grows: the roots of its full subtrees, biggest first, each with its number of leaves
  parts = [];
  size = 0;
  add(leaf) {
    const part = { root: leaf, leaves: 1 };
    for (; this.parts.at(-1)?.leaves === part.leaves; part.leaves *= 2) part.root = nodeHash(this.parts.pop().root, part.root);
    this.parts.push(part);
    this.size += 1;
    return this;
  }
  root64 = () => this.root().toString('base64');
  root = () => (this.size === 0 ? sha256() : this.parts.map((p) => p.root).reduceRight((right, left) => nodeHash(left, right)));
}
const treeRoot = (leaves) => leaves.reduce((tree, leaf) => tree.add(leaf), new Tree()).root();
/** RFC 6962 section 2.1.1: the root that an inclusion path leads to; undefined = no such path. */
function rootOfPath(leaf, index, size, path) {
  if (index >= size || (size === 1) !== (path.length === 0)) return undefined;
  if (size === 1) return leaf;
  let [left, rest] = [1, path.slice(0, -1)]; // leaves of the left subtree
  while (left * 2 < size) left *= 2;
  const below = index < left ? rootOfPath(leaf, index, left, rest) : rootOfPath(leaf, index - left, size - left, rest);
  return below && (index < left ? nodeHash(below, path.at(-1)) : nodeHash(path.at(-1), below));
}
// --- Notes: C2SP signed-note, tlog-checkpoint, tlog-cosignature -----------------------------------------------------
/** The bytes of canonical, padded base64; else undefined. */
const base64 = (text) => (Buffer.from(text ?? '', 'base64').toString('base64') === text ? Buffer.from(text, 'base64') : undefined);
const idOf = (name, type, publicKey) => sha256(Buffer.from(`${name}\n`), Buffer.from([type]), publicKey).readUInt32BE();
const keyOf = (name, publicKey, type = 1) => ({ name, publicKey, type, id: idOf(name, type, publicKey) });
/** `name+id+base64(type, 32 bytes)`; undefined when it is not that, or its id is not its own. */
function parseKey(vkey, type) {
  const m = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey);
  const bytes = base64(m?.[3]);
  const key = bytes?.length === 33 && bytes[0] === type ? keyOf(m[1], bytes.subarray(1), type) : undefined;
  return key?.id === Number.parseInt(m?.[2], 16) ? key : undefined;
}
function parseKeys(text) { // one vkey a line; # begins a comment; undefined = a line is no key
  const keys = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')).map((line) => parseKey(line, 1));
  return keys.includes(undefined) ? undefined : keys;
}
function ed25519(publicKey, message, signature) {
  if (publicKey?.length !== 32 || signature?.length !== 64) return false;
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') }, format: 'jwk' });
  return verifySignature(null, Buffer.from(message), key, signature);
}
/** A cosignature (type 4) signs its time too, which stands before the signature. */
function isSignature({ publicKey, type }, text, bytes) {
  if (type === 1) return ed25519(publicKey, text, bytes);
  if (bytes.length !== 72 || bytes.readBigUInt64BE() >= 1n << 63n) return false;
  return ed25519(publicKey, `cosignature/v1\ntime ${bytes.readBigUInt64BE()}\n${text}`, bytes.subarray(8));
}
/** A note whose text is a checkpoint: its parts, nothing verified; undefined when it is not one. */
function parseNote(note) {
  const text = note.slice(0, note.lastIndexOf('\n\n') + 1);
  const signatures = note.slice(text.length + 1, -1).split('\n').map((line) => {
    const m = /^— ([^\s+]+) (\S+)$/.exec(line);
    const bytes = base64(m?.[2]);
    return bytes?.length > 4 ? { name: m[1], id: bytes.readUInt32BE(), bytes: bytes.subarray(4) } : undefined;
  });
  const [origin, size, root64, ...rest] = text.split('\n');
  const isNote = note.endsWith('\n') && !/[\0-\t\v-\x1f\ufffd]/.test(note) && !signatures.includes(undefined);
  const isCheckpoint = origin !== '' && /^(0|[1-9]\d{0,15})$/.test(size) && base64(root64)?.length === 32 && rest.indexOf('') === rest.length - 1;
  return isNote && isCheckpoint ? { text, signatures, origin, size: Number(size), root64 } : undefined;
}
/** Which of these keys signed? 'forged' = one of them is said to and did not: then the whole note is worth nothing. */
function signersOf(note, keys) {
  const known = note.signatures.map((s) => [keys.find((k) => k.name === s.name && k.id === s.id), s]).filter(([key]) => key);
  return known.every(([key, s]) => isSignature(key, note.text, s.bytes)) ? known.map(([key]) => key) : 'forged';
}
function isSigned(note, keys, where) { // by one of these keys? reports when by none
  const [signers, isName] = [signersOf(note, keys), note.signatures.some((s) => keys.some((k) => k.name === s.name))];
  const kind = signers === 'forged' ? 'forged' : isName ? 'wrong-key' : 'unknown-key';
  return kind !== 'forged' && signers.length > 0 ? true : found(kind, where, 'no key that counts here signed it');
}
// --- Whom we trust: --keys, C2SP tlog-policy, or the keys that came along -------------------------------------------
function parsePolicy(file) {
  let [logs, witnesses, members, quorum] = [[], [], new Set(), undefined];
  const names = new Map([['none', { count: 0, members: [] }]]);
  for (const [n, line] of readFileSync(file, 'latin1').split('\n').entries()) {
    const fail = () => usage(`${file}:${n + 1}: not a line of a policy, or a name or key of it is wrong`);
    const [word, name, ...more] = line.split(/[ \t]+/).filter((item) => item !== '');
    const vkey = Buffer.from((word === 'log' ? name : more[0]) ?? '', 'latin1').toString();
    const key = parseKey(vkey, word === 'log' ? 1 : 4);
    const isTwice = [...logs, ...witnesses].some((k) => k.type === key?.type && k.publicKey.equals(key.publicKey));
    const isDefining = (word === 'witness' || word === 'group') && !names.has(name);
    if (isTwice || /[^\t\x20-\x7e\x80-\xff]/.test(line)) fail();
    if (word === undefined || word.startsWith('#')) continue;
    if (word === 'log' && key && more.length < 2) logs.push(key);
    else if (isDefining && word === 'witness' && more.length < 3) {
      // A post-quantum witness (type 6) may stand there; it cannot be checked here and never counts.
      if (!key && base64(/^[^+]+\+[0-9a-f]{8}\+(.*)$/.exec(vkey)?.[1])?.[0] !== 6) fail();
      names.set(name, key ?? {});
      witnesses.push(...(key ? [key] : []));
    } else if (isDefining && more.length > 1) {
      const [k, ...of] = more;
      const count = { __proto__: null, all: of.length, any: 1 }[k] ?? (/^[1-9]\d*$/.test(k) ? Number(k) : 0);
      if (count < 1 || count > of.length) fail();
      for (const m of of) m === 'none' || !names.has(m) || members.has(m) ? fail() : members.add(m);
      names.set(name, { count, members: of.map((m) => names.get(m)) });
    } else if (word === 'quorum' && more.length === 0 && !quorum && names.has(name)) quorum = names.get(name);
    else fail();
  }
  return quorum ? { logs, witnesses, quorum } : usage(`${file}: no quorum line`);
}
function checkQuorum(note, where) {
  const signers = policy && signersOf(note, policy.witnesses);
  const isEnough = (n) => (n.members ? n.members.filter(isEnough).length >= n.count : signers.includes(n));
  if (signers === 'forged') found('forged', where, 'a cosignature of a known witness does not hold');
  else if (policy && !isEnough(policy.quorum)) found('no-quorum', where, 'the quorum of the policy did not cosign it');
}
function trustedSets(folder) { // sets of keys of which each must vouch; undefined after a finding
  const given = [pinned, policy?.logs.length > 0 ? policy.logs : undefined].filter((set) => set !== undefined);
  if (given.length > 0) return given;
  const text = readFile(join(folder, 'keys.txt'))?.toString();
  const keys = text === undefined ? undefined : parseKeys(text);
  return keys ? [keys] : found(text === undefined ? 'no-keys' : 'modified', 'keys.txt', 'it is missing, or no list of keys');
}
/** One key signs a whole log: pinned for `keywitness/LOGID/meta` it also vouches for `keywitness/LOGID/…`. */
function vouching(keys, origin) {
  const meta = /^keywitness\/[0-9a-f]+\/(?=.*\/\d+\/\d+$)/.exec(origin)?.[0].concat('meta');
  return keys.flatMap((k) => (k.name === origin ? [k] : k.name === meta ? [keyOf(origin, k.publicKey)] : []));
}
// --- Proofs: C2SP tlog-proof; docs/ledger.md, "The proof folder" ----------------------------------------------------
/** The leaf of a proof and the signed checkpoint that it leads to; undefined after a finding. */
function readProof(path, sets) {
  const [head, ...note] = (readFile(path) ?? '').toString().split('\n\n');
  const [tag, ...lines] = head.split('\n');
  const extra = lines[0]?.startsWith('extra ') ? base64(lines.shift().slice(6)) : null;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')?.[1];
  const [nodes, checkpoint] = [lines.map(base64), parseNote(note.join('\n\n'))];
  const isProof = tag === 'c2sp.org/tlog-proof@v1' && index && extra !== undefined && nodes.every((node) => node?.length === 32);
  if (!sets || !isProof) return sets && found('modified', path, 'it is not a tlog-proof');
  if (!extra) return found('no-leaf', path, 'it does not carry its leaf data');
  if (!checkpoint) return found('forged', path, 'it holds no signed checkpoint');
  for (const keys of sets) if (!isSigned(checkpoint, vouching(keys, checkpoint.origin), path)) return undefined;
  const root = rootOfPath(leafHash(extra), Number(index), checkpoint.size, nodes);
  if (root?.toString('base64') !== checkpoint.root64) return found('modified', path, 'its leaf does not lead to the signed root');
  return { leaf: extra, ...checkpoint };
}
/** The bytes are the leaf's, the leaf is in the stream's tree, and the meta-log pins that tree. */
function checkProofFolder(folder) {
  const files = ['event.raw', 'event.tlog-proof', 'meta.tlog-proof'].map((name) => join(folder, name));
  for (const file of files) if (!readFile(file)) return found('truncated', file, 'it is missing');
  const [[raw, eventFile, metaFile], sets] = [files, trustedSets(folder)];
  const event = readProof(eventFile, sets);
  const meta = event && readProof(metaFile, sets);
  if (!meta) return;
  const [, logId, ...tree] = event.origin.split('/');
  const value = leafLines(event.leaf, tree.join('/'))?.[9];
  if (!value) found('modified', eventFile, 'its leaf is of another stream than its checkpoint');
  else if (value !== sha256(readFile(raw)).toString('hex')) found('modified', raw, 'it is not the record of this leaf');
  const isPin = /^keywitness-meta\/v1\nkind (heartbeat|stop)\n/.test(meta.leaf) && `${meta.leaf}`.includes(`\nstream ${event.origin} ${event.size} ${event.root64}\n`);
  if (!isPin || meta.origin !== `keywitness/${logId}/meta`) found('modified', metaFile, 'it does not pin the event’s tree');
  checkQuorum(meta, metaFile);
}
/** docs/ledger.md, "Leaf text v1": eleven lines, of this `stream/partition/epoch`; undefined when they are not. */
function leafLines(text, tree) {
  const [tag, cluster, topic, partition, epoch, ...rest] = text.toString('latin1').split('\n');
  const isOf = [topic, `${cluster}.${topic}`].some((stream) => `${stream}/${partition}/${epoch}` === tree);
  const isLeaf = /^(0|[1-9]\d{0,19})\n(0|-?[1-9]\d*)\n([0-9a-f]{64}\n){3}[0-3]\n$/.test(rest.join('\n'));
  return tag === 'keywitness-leaf/v1' && isOf && isLeaf ? [tag, cluster, topic, partition, epoch, ...rest] : undefined;
}
// --- A tree as files: C2SP tlog-tiles -------------------------------------------------------------------------------
/** Tile `n` of a level, or (`entries`) an entry bundle, in a row of `length`; else that of a row of another length. */
function readTile(folder, level, n, length) {
  const digits = `${n}`.padStart(Math.ceil(`${n}`.length / 3) * 3, '0').replace(/\d{3}(?=\d)/g, 'x$&/');
  const [full, width] = [join(folder, `tile/${level}/${digits}`), Math.min(256, length - n * 256)];
  const [widest] = existsSync(`${full}.p/.`) ? readdirSync(`${full}.p`).sort((a, b) => b - a) : [];
  return readFile(width === 256 ? full : `${full}.p/${width}`) ?? readFile(full) ?? readFile(`${full}.p/${widest}`);
}
/** Entries behind their length as uint16; one of length 0, and one that is not there, has lost its text. */
function entriesOf(rest, count, where) {
  const texts = [];
  while (texts.length < count && rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
    texts.push(rest.readUInt16BE() === 0 ? undefined : rest.subarray(2, 2 + rest.readUInt16BE()));
    rest = rest.subarray(2 + rest.readUInt16BE());
  }
  if (texts.length === count && rest.length > 0) found('inserted', where, 'there are more entries than leaves');
  return texts;
}
/** Yields each leaf as it grows `tree`; compares every entry with its tile and every tile with the one above. */
function* readTree(folder, where, size, tree) {
  let row = []; // what the tiles of the next level hold
  for (let n = 0; n * 256 < size; n += 1) {
    const [width, place, tile] = [Math.min(256, size - n * 256), `${where} leaf ${n * 256}`, readTile(folder, 0, n, size)];
    const kind = tile?.length > width * 32 ? 'inserted' : readTile(folder, 0, n + 1, size) ? 'deleted' : 'truncated';
    if (tile?.length !== width * 32) found(kind, place, 'its tile is missing or not whole');
    const texts = entriesOf(readTile(folder, 'entries', n, size) ?? Buffer.alloc(0), width, place);
    const hashes = Array.from({ length: Math.min(width, (tile?.length ?? 0) >> 5) }, (_, i) => tile.subarray(i * 32, i * 32 + 32));
    for (const [i, leaf] of hashes.entries()) {
      const isTrue = texts[i] === undefined || leafHash(texts[i]).equals(leaf);
      if (!isTrue) found('modified', `${where} leaf ${tree.size}`, 'the entry is not what its hash was made of');
      yield { index: tree.add(leaf).size - 1, leaf, text: texts[i], isTrue };
    }
    if (hashes.length < width) return;
    if (width === 256) row.push(treeRoot(hashes));
  }
  for (let level = 1; row.length > 0; level += 1) {
    const pages = Array.from({ length: Math.ceil(row.length / 256) }, (_, n) => row.slice(n * 256, n * 256 + 256));
    for (const [n, hashes] of pages.entries()) {
      const tile = readTile(folder, level, n, row.length);
      if (tile?.equals(Buffer.concat(hashes))) continue;
      found(tile ? 'modified' : 'truncated', where, `tile ${n} of level ${level} is not that of its leaves`);
    }
    row = pages.filter((hashes) => hashes.length === 256).map(treeRoot);
  }
}
function readCheckpoint(folder, where) {
  const text = readFile(join(folder, 'checkpoint'))?.toString();
  return parseNote(text ?? '') ?? found(text === undefined ? 'truncated' : 'forged', where, 'it holds no signed checkpoint');
}
// --- The meta-log: docs/ledger.md, "Meta-log", "Keys", "Retention" --------------------------------------------------
const eraAt = (log, index) => Math.max(0, log.eras.findLastIndex((era) => era.from <= index));
const keysOf = (log, eras, origin) => [...eras].flatMap((e) => (log.eras[e].key ? [keyOf(origin, log.eras[e].key)] : []));
function seeMeta(log, index, text) { // which key is in force from where, what is pinned, what is lawfully gone
  const [tag, kind, time, ...lines] = text.toString().split('\n');
  const all = (name) => lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const [value, where] = [(name) => all(name)[0] ?? '', `meta/${index}`];
  if (tag !== 'keywitness-meta/v1') return;
  if (time < log.time && value('clock') !== log.time.slice(5)) found('back-dated', where, 'no leaf says that the clock was set back');
  log.time = time;
  if (index === 0 && kind === 'kind start') log.eras[0].key = parseKey(value('key'), 1)?.publicKey;
  if (kind === 'kind key') seeKey(log, index, value, where);
  if (kind === 'kind hold' && value('act') === 'release') log.holds.delete(value('id'));
  else if (kind === 'kind hold' && !['secret', 'identity', 'from', 'to'].some(value)) log.holds.set(value('id'), value('stream'));
  const listed = kind === 'kind heartbeat' || kind === 'kind stop' ? all('stream') : [];
  for (const [origin, size, root64] of listed.map((line) => line.split(' ').map((s) => `${Buffer.from(s)}`))) { // copies: a part would keep its whole leaf
    const pins = log.pins.get(origin) ?? log.pins.set(origin, []).get(origin);
    const last = pins.at(-1);
    if (last?.size === Number(size)) last.eras.push(eraAt(log, index));
    else pins.push({ size: Number(size), root64, eras: [eraAt(log, index)] });
    if (last?.size > Number(size)) found('rewritten', where, `it lists fewer leaves of ${origin} than before`);
    if (last?.size === Number(size) && last.root64 !== root64) found('forked', where, `it lists a second history of ${origin}`);
  }
  if (kind !== 'kind retention' && kind !== 'kind erasure') return;
  const [a, b, ...more] = all('approver').map((name) => [...name.normalize('NFKC').replace(/[\u2800\p{Default_Ignorable_Code_Point}]|(?!\s)\p{C}/gu, '').trim().replace(/\s+/g, ' ').toLowerCase()].map((c) => 'aeopcyxijsdqwhkmtbhaopynikxtebzhmijag'['\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u043a\u043c\u0442\u0432\u043d\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c7\u03c4\u03b5\u03b2\u03b6\u03b7\u03bc\u0131\u0237\u0251\u0261'.indexOf(c)] ?? c).join('')); // one person under two spellings, or letters that look alike
  const isHeld = [...log.holds.values()].some((stream) => stream === '' || value('tree').startsWith(`${stream}/`));
  const from = Number(value('from') || value('index'));
  const root = value('leaf') ? Buffer.from(value('leaf'), 'hex') : base64(value('root'));
  const act = { kind, tree: value('tree'), from, to: from + Number(value('count') || 1), root, hashes: new Tree() };
  if (!a || !b || a === b || more.length > 0 || isHeld) found('deleted', where, `its leaf of ${kind} is not lawful`);
  else log.gone.push(act);
}
/** A key follows, endorsed by the one before or by the root; or the root is registered, each vouching for the other. */
function seeKey(log, index, value, where) {
  log.eras[0].key ??= base64(value('previous') || value('key'));
  const [key, era, byRoot] = [log.eras.at(-1).key, log.eras.length - 1, value('by') === 'root'];
  const next = base64(value('root') || value('new'));
  const [act, before] = [value('root') ? 'root' : 'key', value('root') ? value('key') : value('previous')];
  const text = `keywitness-${act}/v1\n${log.id}\n${index}\n${before}\n${next?.toString('base64')}\n`;
  const isKnown = [...log.eras, log.root].some((known) => next && known?.key?.equals(next));
  let isRight = before === key?.toString('base64') && !isKnown;
  isRight &&= ed25519(act === 'key' && byRoot ? log.root?.key : key, text, base64(value('signature')));
  if (act === 'root') isRight &&= !log.root && ed25519(next, text, base64(value('root-signature')));
  if (!isRight) found('wrong-key', where, 'nobody who may vouched for this key');
  else if (act === 'root') log.root = { key: next, era };
  // A lost key cannot sign the leaf that replaces it: then the new one is in force from that very leaf on.
  else log.eras.push({ key: next, from: byRoot ? index : index + 1, endorser: byRoot ? log.root.era : era });
}
// --- The bundle: docs/ledger.md, "The bundle" -----------------------------------------------------------------------
function checkBundle(folder) {
  const [path, tree] = [join(folder, 'trees/meta'), new Tree()];
  const meta = readCheckpoint(path, 'meta');
  const id = /^keywitness\/([0-9a-f]+)\/meta$/.exec(meta?.origin)?.[1];
  if (!id) return meta && found('forged', 'meta', 'its checkpoint is of another kind of tree');
  const sets = trustedSets(folder)?.map((keys) => vouching(keys, meta.origin)) ?? [];
  const log = { id, eras: [{ from: 0, endorser: -1 }], pins: new Map(), holds: new Map(), gone: [], isWhole: true };
  const run = missingRun();
  for (const { index, text } of readTree(path, 'meta', meta.size, tree)) {
    run.see(`meta/${index}`, text !== undefined);
    log.isWhole &&= text !== undefined;
    if (text) seeMeta(log, index, text);
  }
  log.isWhole &&= tree.size === meta.size;
  run.end('truncated');
  if (log.isWhole && tree.root64() !== meta.root64) found('rewritten', 'meta', 'its leaves do not lead to the signed root');
  log.eras[0].key ??= (sets.flat().find((k) => signersOf(meta, [k]).length === 1) ?? sets[0]?.[0])?.publicKey;
  const era = eraAt(log, meta.size - 1);
  const signing = [...log.eras.keys()].filter((e) => e === era || log.eras[e].from === meta.size); // two at a rollover
  for (const set of sets) {
    const isTrusted = (e) => e >= 0 && (set.some((k) => log.eras[e].key?.equals(k.publicKey)) || isTrusted(log.eras[e].endorser));
    if (set.length === 0) found('unknown-key', 'meta', 'none of the keys given is one of this log');
    else if ([[era], signing].every((eras) => isSigned(meta, keysOf(log, eras, meta.origin), 'meta')) && !isTrusted(era))
      found('wrong-key', 'meta', 'no key that is trusted leads to the one that signs it');
  }
  checkQuorum(meta, 'meta');
  const named = readdirSync(join(folder, 'trees')).map((name) => name.replace(/\.(\d+)\.(\d+)$/, '/$1/$2'));
  const listed = [...log.pins.keys()].map((origin) => origin.split('/').slice(2).join('/'));
  for (const name of new Set([...named, ...listed])) if (name.includes('/')) checkStream(folder, log, name);
}
function missingRun() { // what is missing and may not be: deleted when something follows, else cut off
  let first;
  const end = (kind) => first && found(kind, first, 'it is missing, and the meta-log does not say why');
  return { end, see: (place, isThere) => [isThere && end('deleted'), (first = isThere ? undefined : (first ?? place))] };
}
function checkStream(folder, log, name) { // its checkpoint, tree, records, and every root that was pinned before
  const [path, tree, origin] = [join(folder, 'trees', name.replace(/\/(\d+)\/(\d+)$/, '.$1.$2')), new Tree(), `keywitness/${log.id}/${name}`];
  const [pins, newest] = [(log.isWhole && log.pins.get(origin)) || [], log.isWhole && log.pins.get(origin)?.at(-1)];
  if (newest?.size === 0 && !existsSync(path)) return;
  const note = readCheckpoint(path, name);
  if (note && note.origin !== origin) found('forged', name, 'its checkpoint is of another tree');
  else if (note && log.isWhole && !newest) found('inserted', name, 'no heartbeat lists it');
  else if (note && newest && note.size !== newest.size) found('rolled-back', name, `${note.size} leaves; the meta-log lists ${newest.size}`);
  else if (note && newest && note.root64 !== newest.root64) found('forked', name, 'the meta-log lists another history of it');
  else if (note && newest) isSigned(note, keysOf(log, newest.eras, origin), name);
  if ((!note && !newest) || !existsSync(path)) return;
  const { size, root64 } = note ?? newest;
  const [gone, records] = [log.gone.filter((g) => g.tree === name).sort((a, b) => a.from - b.from), readRecords(join(path, 'records.ndjson'), name)];
  const [take, run] = [() => records.next().value, missingRun()];
  let [record, offset, pin, next, covering] = [take(), -1n, 0, 0, []];
  for (const { index, leaf, text, isTrue } of readTree(path, name, size, tree)) {
    for (; record?.index < index; record = take()) found('reordered', `${name} leaf ${record.index}`, 'its record is out of place, or twice');
    const raw = record?.index === index ? record.raw : undefined;
    if (raw !== undefined) record = take();
    const lines = text && leafLines(text, name);
    const place = lines ? `${name}/${lines[5]}` : `${name} leaf ${index}`;
    const isValue = lines && sha256(raw ?? Buffer.alloc(0)).toString('hex') === lines[9] && (raw === null) === lines[10] > 1;
    if (isTrue && text && !lines) found('inserted', place, 'its leaf is of another stream, or none');
    else if (isTrue && raw !== undefined && !isValue) found('modified', place, 'it is not the record its leaf was made from');
    if (isTrue && lines && BigInt(lines[5]) <= offset) found('reordered', place, 'its offset is not above the one before');
    if (isTrue && lines) offset = BigInt(lines[5]);
    for (; gone[next]?.from <= index; next += 1) covering.push(gone[next]);
    covering = covering.filter((g) => index < g.to);
    for (const g of covering) g.hashes.add(leaf);
    if (raw === undefined && covering.length > 0) covering[0].isUsed = true;
    run.see(place, raw !== undefined || covering.length > 0 || !log.isWhole);
    while (pins[pin]?.size < tree.size) pin += 1;
    if (pins[pin]?.size === tree.size && tree.root64() !== pins[pin].root64)
      found('rewritten', `${name} up to leaf ${index}`, 'a heartbeat pinned another root here');
  }
  if (tree.size !== size) return;
  for (; record; record = take()) found('inserted', `${name} leaf ${record.index}`, 'a record that no leaf was made from');
  run.end('truncated');
  if (tree.root64() !== root64) found('rewritten', name, 'its leaves do not lead to the signed root');
  for (const g of gone.filter((act) => act.hashes.size > 0)) {
    const [place, isRight] = [`${name} leaf ${g.from}`, g.root?.equals(g.hashes.root()) && g.hashes.size === g.to - g.from];
    if (!isRight) found('modified', place, 'it is not what the meta-log says was let go');
    else if (g.isUsed) found(g.kind === 'kind erasure' ? 'erased-lawful' : 'expired-lawful', place, 'what began here is lawfully gone');
  }
}
function* readRecords(path, name) { // lines of records.ndjson as {index, raw}, one at a time
  if (!isFile(path)) return;
  const [file, chunk, where] = [openSync(path, 'r'), Buffer.alloc(1 << 23), `${name} records.ndjson`];
  let rest = Buffer.alloc(0);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    rest = Buffer.concat([rest, chunk.subarray(0, read)]);
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const [, index, text] = /^\{"index": *(\d{1,15}), *"raw": *(null|"[^"]*")\}$/.exec(rest.toString('latin1', 0, at)) ?? [];
      const raw = text === 'null' ? null : base64(text?.slice(1, -1));
      rest = rest.subarray(at + 1);
      if (raw !== undefined) yield { index: Number(index), raw };
      else found('modified', where, 'a line is no record');
    }
    if (rest.length > 96 << 20) return found('modified', where, 'a line is longer than 96 MiB');
  }
  if (rest.length > 0) found('truncated', where, 'it ends within a line');
}
// --- The command ----------------------------------------------------------------------------------------------------
function usage(words) {
  process.stderr.write(`${words}\nusage: node verify.mjs PATH [--keys FILE] [--policy FILE]\n`);
  process.exit(64);
}
process.on('uncaughtException', (error) => usage(`nothing was verified: ${error.message}`)); // such as a file nobody may read
const [path, ...options] = process.argv.slice(2);
const given = Object.fromEntries(options.flatMap((o, i) => (i % 2 === 0 ? [[o, options[i + 1] ?? '']] : [])));
if (!Object.keys(given).every((o) => /^--(keys|policy)$/.test(o))) usage('no such option');
if (![path ?? '', ...Object.values(given)].every(existsSync)) usage('no such file');
const pinned = given['--keys'] && (parseKeys(readFileSync(given['--keys'], 'utf8')) ?? usage('--keys: a line is no key'));
const policy = given['--policy'] && parsePolicy(given['--policy']);
const proof = statSync(path).isDirectory() ? undefined : readProof(path, trustedSets(dirname(path)));
if (statSync(path).isDirectory()) (existsSync(join(path, 'trees')) ? checkBundle : checkProofFolder)(path);
else if (proof) checkQuorum(proof, path);
const exit = Math.min(5, ...findings.map((f) => f.exit)) % 5;
process.stdout.write(`${JSON.stringify({ path, verdict: verdicts[exit], findings: findings.map((f) => ({ class: f.class, where: f.where })) })}\n`);
for (const f of findings.slice(0, 20)) process.stderr.write(`${f.class}: ${f.where}: ${f.words}\n`);
if (!pinned && !policy?.logs.length) process.stderr.write('The keys came with what was checked: it agrees with itself, no more.\n');
process.exitCode = exit;
