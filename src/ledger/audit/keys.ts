import type { Engine } from '../../store/client.ts';
import { metaLeavesOfKeys } from '../../store/ledgerStore.ts';
import { readAnchor } from '../anchors/file.ts';
import { type Checkpoint, metaOrigin } from '../checkpoint.ts';
import { createKeyHistory, type KeyHistory } from '../keyHistory.ts';
import type { LogIdentity } from '../keys.ts';
import { type MetaLeaf, parseMeta } from '../meta.ts';
import { type NoteVerifier, noteVerifier } from '../note.ts';
import type { MetaLeafRow } from './auditStore.ts';
import type { Finding } from './findings.ts';
import { streamKeyWatch } from './streamKeys.ts';

/** Which key may have signed what: learnt from the meta-log in the store, and held against the anchor. */
export interface KeyAudit {
  /** Every key whose signatures under this origin are looked at. */
  verifiers(origin: string): readonly NoteVerifier[];
  /** A signature that holds: was its key in force there? Of a stream's that is known at the end. */
  signed(checkpoint: Checkpoint, by: readonly NoteVerifier[], where: string): Finding | undefined;
  /** A line of the anchor that names a key or the root. */
  anchored(kind: 'key' | 'root', publicKey: Buffer): void;
  /** The key in force at an index of the meta-log. */
  keyAt(index: number): Buffer;
  /** A leaf of the meta-log, in order. */
  leaf(index: number, leaf: MetaLeaf | undefined): void;
  /** `anchoredSize`: of the newest meta checkpoint that the anchor holds. */
  end(anchoredSize: number): { readonly findings: Finding[]; readonly notes: string[] };
}

interface KeyLeaf {
  readonly index: number;
  readonly leaf: MetaLeaf;
}

/** Who signed what up to now, for those who give out what is signed. */
export async function readKeyHistory(engine: Engine, { logId, publicKey }: LogIdentity): Promise<KeyHistory> {
  const history = createKeyHistory(logId, publicKey);
  for (const { index, leaf } of keyLeaves(await metaLeavesOfKeys(engine))) history.see(index, leaf);
  return history;
}

/** Begins with the key leaves of the store; the first key is the anchor's where the two differ. */
export async function openKeyAudit(
  leaves: readonly MetaLeafRow[],
  anchorFile: string,
  identity: LogIdentity,
): Promise<KeyAudit> {
  return createKeyAudit(identity, await firstAnchored(anchorFile, identity.logId), keyLeaves(leaves));
}

function keyLeaves(rows: readonly MetaLeafRow[]): KeyLeaf[] {
  return rows.flatMap(({ index, text }) => {
    const leaf = parseMeta(text);
    return leaf === undefined ? [] : [{ index, leaf }];
  });
}

/** The key that whoever checks begins with. */
async function firstAnchored(path: string, logId: string): Promise<Buffer | undefined> {
  for await (const entry of readAnchor(path, logId)) if (entry.kind === 'key') return entry.publicKey;
  return undefined;
}

function createKeyAudit(
  { logId, publicKey }: LogIdentity,
  first: Buffer | undefined,
  leaves: readonly KeyLeaf[],
): KeyAudit {
  const { history, findings } = trustedHistory(logId, first, first ?? publicKey, leaves);
  const named: Record<'key' | 'root', Buffer[]> = { key: [], root: [] };
  /** Keys that only the anchor knows: the leaves that brought them may have been cut off. */
  let strange: Buffer[] = [];
  const cache = new Map<string, readonly NoteVerifier[]>();
  const streams = streamKeyWatch(history);
  let stored = 0;
  return {
    verifiers(origin) {
      const known = cache.get(origin);
      if (known !== undefined) return known;
      const keys = [...history.eras().map((e) => e.publicKey), ...strange];
      const made = keys.map((key) => noteVerifier(origin, key));
      cache.set(origin, made);
      return made;
    },
    signed(checkpoint, by, where) {
      if (by.some((key) => strange.some((s) => s.equals(key.publicKey)))) return undefined;
      if (checkpoint.origin !== metaOrigin(logId)) return void streams.signed(checkpoint, by, where);
      const signers = history.signersAt(checkpoint.size - 1);
      if (by.some((key) => signers.some((s) => s.equals(key.publicKey)))) return undefined;
      return {
        class: 'wrong-key',
        tree: 'meta',
        detail: `${where} is signed by a key that was not in force there`,
      };
    },
    anchored(kind, key) {
      if (named[kind].some((k) => k.equals(key))) return;
      named[kind].push(key);
      strange = named.key.filter((k) => !history.has(k));
      cache.clear();
    },
    keyAt: (index) => (history.eras()[history.eraAt(index)] ?? { publicKey }).publicKey,
    leaf(index, leaf) {
      stored = index + 1;
      if (leaf !== undefined) streams.leaf(index, leaf);
    },
    end(anchoredSize) {
      // What was cut off took the leaves of newer keys with it: that is the cut's finding, not another key's.
      const isCut = anchoredSize > stored;
      const strangers = isCut
        ? []
        : strange.map((k) =>
            wrongKey(`the anchor knows the key ${text(k)}, which no leaf of the meta-log brought`),
          );
      const own = history.has(publicKey) || (isCut && strange.some((k) => k.equals(publicKey)));
      return {
        findings: [
          ...findings,
          ...streams.end(),
          ...strangers,
          ...notAnchored(history, named, anchoredSize),
          ...(own
            ? []
            : [wrongKey('the key of the data directory is not one that anchor and meta-log know')]),
        ],
        notes: notesOf(history, publicKey),
      };
    },
  };
}

/** The keys that the leaves bring, beginning with the one the anchor knows if the store's chain does not meet it. */
function trustedHistory(
  logId: string,
  first: Buffer | undefined,
  fallback: Buffer,
  leaves: readonly KeyLeaf[],
) {
  const replay = (from: readonly KeyLeaf[]) => {
    const history = createKeyHistory(logId, fallback);
    const findings = from.flatMap(({ index, leaf }): Finding[] => {
      const why = history.see(index, leaf);
      const detail = `this leaf brings a key and is refused: ${why}`;
      return why === undefined ? [] : [{ class: 'wrong-key', tree: 'meta', offset: BigInt(index), detail }];
    });
    return { history, findings };
  };
  const whole = replay(leaves);
  const isMet = first === undefined || whole.history.has(first);
  return isMet ? whole : replay(leaves.filter(({ index }) => index > 0));
}

/** What the anchor must know of the keys and does not. It may have been begun later than the log. */
function notAnchored(
  history: KeyHistory,
  named: Readonly<Record<'key' | 'root', readonly Buffer[]>>,
  anchoredSize: number,
): Finding[] {
  const begins = history.eras().findIndex((e) => named.key[0]?.equals(e.publicKey));
  if (begins < 0) return [];
  const eras = history.eras().slice(begins + 1);
  const missing = eras.filter((e) => !named.key.some((k) => k.equals(e.publicKey)));
  const root = history.root();
  const other = named.root.filter((k) => root?.publicKey.equals(k) !== true);
  return [
    ...missing
      .filter((e) => (e.leaf ?? 0) < anchoredSize)
      .map((e) => wrongKey('the anchor does not know the key that this leaf brings', e.leaf)),
    ...(root !== undefined && named.root.length === 0 && root.leaf < anchoredSize
      ? [wrongKey('the anchor does not know the root that this leaf registers', root.leaf)]
      : []),
    ...(root === undefined
      ? []
      : other.map((k) => wrongKey(`the anchor knows the root ${text(k)}, the meta-log another`))),
  ];
}

function notesOf(history: KeyHistory, own: Buffer): string[] {
  const root = history.root();
  const eras = history.eras();
  return [
    ...(eras.length > 1
      ? [
          `${eras.length} keys signed this log one after another; the one in force since ${since(eras.at(-1)?.since)}`,
        ]
      : []),
    ...(root === undefined ? [] : [`offline root registered ${since(root.since)}: ${text(root.publicKey)}`]),
    ...(history.has(own) && !own.equals(history.current())
      ? ['a key rollover was begun and not ended: the next start ends it']
      : []),
  ];
}

function wrongKey(detail: string, index?: number): Finding {
  return index === undefined
    ? { class: 'wrong-key', tree: '', detail }
    : { class: 'wrong-key', tree: 'meta', offset: BigInt(index), detail };
}

const text = (key: Buffer) => key.toString('base64');
const since = (ms: number | undefined) => (ms === undefined ? '' : new Date(ms).toISOString());
