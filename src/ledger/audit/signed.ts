import { hash } from 'node:crypto';
import { KeywitnessError } from '../../core/errors.ts';
import { streamKeyText } from '../../core/record.ts';
import { readAnchor } from '../anchors/file.ts';
import { type Checkpoint, metaOrigin, parseCheckpoint, parseStreamOrigin } from '../checkpoint.ts';
import type { LogIdentity } from '../keys.ts';
import { openNote, splitNote } from '../note.ts';
import type { AuditStore } from './auditStore.ts';
import type { Finding } from './findings.ts';
import { type KeyAudit, openKeyAudit } from './keys.ts';
import type { OutsideTime } from './metaTimes.ts';
import type { PinBook } from './pins.ts';

export interface SignedAudit {
  readonly findings: Finding[];
  readonly notes: string[];
  /** Milliseconds, 0 = none. */
  readonly newestAnchored: number;
  readonly newestSigned: number;
  /** Sees the meta-log next, and then says whose signatures stood where they must not. */
  readonly keys: KeyAudit;
  /** Of the newest meta checkpoint in the anchor. */
  readonly anchoredSize: number;
  /** When the anchor had which size of the meta-log, about once a minute. */
  readonly outside: readonly OutsideTime[];
}

export interface SignedAuditOptions {
  readonly store: AuditStore;
  readonly anchorFile: string;
  readonly identity: LogIdentity;
  readonly book: PinBook;
  /** Sizes by origin: checkpoints up to there were verified before. */
  readonly floors: ReadonlyMap<string, number> | undefined;
}

/** Reads every checkpoint the anchor and the store hold, checks its signature, and pins what it says. */
export async function auditSigned({
  store,
  anchorFile,
  identity,
  book,
  floors,
}: SignedAuditOptions): Promise<SignedAudit> {
  const keys = await openKeyAudit(await store.keyLeaves(), anchorFile, identity);
  const reader = noteReader(identity.logId, keys);
  const findings: Finding[] = [];
  const anchor = await auditAnchor(anchorFile, identity.logId, { reader, book, findings, floors });
  let newestSigned = 0;
  let storedSize = 0;
  for await (const page of store.checkpoints(floors)) {
    for (const row of page) {
      const read = reader.read(row.note, `the checkpoint of ${row.origin} at ${row.size} in the store`);
      if (read.finding) findings.push(read.finding);
      const c = read.checkpoint;
      if (!c) continue;
      if (c.origin === row.origin && c.size === row.size && c.root.equals(row.root)) book.add(c, 'store');
      else
        findings.push({
          class: 'forged',
          tree: treeOf(row.origin),
          detail: 'a stored checkpoint is not what its note says',
        });
      newestSigned = Math.max(newestSigned, row.made_at);
      if (c.origin === metaOrigin(identity.logId)) storedSize = Math.max(storedSize, c.size);
    }
  }
  const behind =
    `${anchorFile} ends at ${anchor.size} leaves of the meta-log, the store's newest checkpoint covers ${storedSize}: ` +
    'its last lines are missing, or could not be written then';
  return {
    findings,
    notes: anchor.size > 0 && anchor.size < storedSize ? [...anchor.notes, behind] : anchor.notes,
    newestAnchored: anchor.newest,
    newestSigned,
    keys,
    anchoredSize: anchor.size,
    outside: anchor.outside,
  };
}

/** A kept checkpoint is one more pin, held by whoever kept it. @throws KW_USAGE when it is cut or no note: that says nothing of the log */
export function addKept(note: string, identity: LogIdentity, keys: KeyAudit, book: PinBook): Finding[] {
  if (splitNote(note) === undefined) {
    throw new KeywitnessError(
      'KW_USAGE',
      'The kept checkpoint is cut, or no signed note: it must be byte for byte what `keywitness checkpoint` wrote, with its last newline.',
    );
  }
  const origin = note.split('\n')[0] ?? '';
  if (origin.startsWith('keywitness/') && !origin.startsWith(`keywitness/${identity.logId}/`)) {
    const detail = `the kept checkpoint is of ${origin}, this log is ${identity.logId}: another log stands in its place`;
    return [{ class: 'rolled-back', tree: '', detail }];
  }
  const read = noteReader(identity.logId, keys).read(note, 'the kept checkpoint');
  if (read.checkpoint) book.add(read.checkpoint, 'outside');
  return read.finding ? [read.finding] : [];
}

interface AnchorAudit extends Pick<SignedAuditOptions, 'book' | 'floors'> {
  readonly reader: ReturnType<typeof noteReader>;
  readonly findings: Finding[];
}

async function auditAnchor(
  path: string,
  logId: string,
  { reader, book, findings, floors }: AnchorAudit,
): Promise<{ newest: number; size: number; outside: readonly OutsideTime[]; notes: string[] }> {
  const outside: OutsideTime[] = [];
  let newest = 0;
  let size = 0;
  let unreadable = 0;
  for await (const entry of readAnchor(path, logId)) {
    if (entry.kind === 'unreadable') unreadable += 1;
    if (entry.kind === 'key' || entry.kind === 'root') reader.keys.anchored(entry.kind, entry.publicKey);
    if (entry.kind !== 'checkpoint') continue;
    if (entry.size <= (floors?.get(entry.origin) ?? -1)) {
      newest = Math.max(newest, entry.time);
      if (entry.origin === metaOrigin(logId)) size = Math.max(size, entry.size);
      continue;
    }
    const read = reader.read(entry.note, `line ${entry.line} of ${path}`);
    if (read.finding) findings.push(read.finding);
    if (!read.checkpoint) continue;
    book.add(read.checkpoint, 'outside');
    newest = Math.max(newest, entry.time);
    if (entry.origin !== metaOrigin(logId)) continue;
    size = Math.max(size, entry.size);
    if (Math.abs(entry.time - (outside.at(-1)?.time ?? 0)) >= 60_000)
      outside.push({ size: entry.size, time: entry.time });
  }
  if (newest === 0) {
    const detail = `${path} holds no checkpoint of this log: nothing outside the store remembers it`;
    findings.push({ class: 'no-anchor', tree: '', detail });
  }
  const torn = `${unreadable} lines of ${path} cannot be read (a crash tears at most one a run)`;
  return { newest, size, outside, notes: unreadable > 0 ? [torn] : [] };
}

/** Notes whose signature held, by their hash: the store has the anchor's notes again. 50 MB at most. */
const notesKnownMax = 200_000;

function noteReader(logId: string, keys: KeyAudit) {
  const known = new Map<string, Checkpoint>();
  return {
    keys,
    read(note: string, where: string): { checkpoint?: Checkpoint; finding?: Finding } {
      const name = hash('sha256', note, 'buffer').toString('latin1');
      const same = known.get(name);
      if (same !== undefined) return { checkpoint: same };
      const origin = note.split('\n')[0] ?? '';
      const tree = treeOf(origin);
      if (!/^keywitness\/[0-9a-f]+\/[A-Za-z0-9._/-]+$/.test(origin)) {
        return { finding: { class: 'forged', tree, detail: `${where} is not a checkpoint` } };
      }
      const opened = openNote(note, keys.verifiers(origin));
      if (opened.kind === 'ok' && origin.startsWith(`keywitness/${logId}/`)) {
        const checkpoint = parseCheckpoint(opened.text);
        const finding = checkpoint && keys.signed(checkpoint, opened.by, where);
        if (finding !== undefined) return { finding };
        if (checkpoint !== undefined) {
          if (known.size < notesKnownMax) known.set(name, checkpoint);
          return { checkpoint };
        }
      }
      if (opened.kind === 'unknown-key' || opened.kind === 'ok') {
        return {
          finding: { class: 'wrong-key', tree, detail: `${where} is signed by a key that is not this log’s` },
        };
      }
      return { finding: { class: 'forged', tree, detail: `the signature of ${where} does not hold` } };
    },
  };
}

/** `stream/partition/epoch` or `meta` of an origin. */
function treeOf(origin: string): string {
  const key = parseStreamOrigin(origin);
  return key === undefined ? 'meta' : streamKeyText(key);
}
