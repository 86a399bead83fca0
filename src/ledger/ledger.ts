import { KeywitnessError } from '../core/errors.ts';
import { metaTree, type StreamKey, streamKeyText } from '../core/record.ts';
import { signedLines } from './actSignature.ts';
import type { SignedCheckpoint } from './anchors/anchor.ts';
import { AnchorFile, anchorLines } from './anchors/file.ts';
import { createTelling, type Telling } from './anchors/telling.ts';
import { type Checkpoint, checkpointText, metaOrigin } from './checkpoint.ts';
import { consistencyFromTiles } from './consistency.ts';
import { keyLinesMissing, keyToTake, refuseUsedKey } from './keyChoice.ts';
import type { KeyHistory } from './keyHistory.ts';
import { rolloverLines, rootLines } from './keyLeaf.ts';
import type { NextKey } from './keys.ts';
import { leafHashOfText } from './leaf.ts';
import type { HeartbeatFacts, HowToSign, LedgerOptions, TreeExtent } from './ledgerOptions.ts';
import { type MetaKind, type MetaLine, metaTexts, timeOfLeaf } from './meta.ts';
import { noteVerifier, type Signer, signNote } from './note.ts';
import { noneStored, type PendingTiles, pendingTiles } from './pendingTiles.ts';
import type { CheckpointRow, StoredLeaf } from './ports.ts';
import {
  type LiveTree,
  type MetaState,
  newTree,
  notContinued,
  noteMeta,
  type Rebuilt,
  rebuildMeta,
  rebuildTrees,
  signedBefore,
} from './rebuild.ts';
import { bindingLines, isSameBinding, type TreeBinding } from './settings.ts';
import { extendEdge, type TileAt, tileName } from './tiles.ts';
import { appendLeaf, copyFrontier, emptyFrontier, type Frontier, frontierRoot } from './tree.ts';

/** How long a cut tail could go unseen: the heartbeat writes and signs, idle or not (docs/ledger.md). */
export const heartbeatIntervalMs = 10_000;
/** All open streams again: a reader of the last hour needs nothing older. */
const relistIntervalMs = 3_600_000;

/** The ledger while it runs: trees in memory, meta-log, signatures, anchor. One for each data directory. */
export class Ledger {
  readonly logId: string;
  readonly anchorFile: string;
  readonly #options: LedgerOptions;
  readonly #anchor: AnchorFile;
  readonly #trees: Map<string, LiveTree>;
  readonly #tiles: PendingTiles;
  /** The key in force. */
  #signer: Signer;
  #meta: MetaState;
  /** Keys and root that the anchor knows. */
  #named: readonly Buffer[];
  readonly #telling: Telling;
  /** Set when a write of meta leaves failed: whether they arrived is read from the store before the next. */
  #isMetaUncertain = false;
  #relistedAt = 0;
  /** Meta leaves are written one after another, whoever asks. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: LedgerOptions, anchor: AnchorFile, { trees, meta, tiles, named }: Rebuilt) {
    this.logId = options.keys.logId;
    this.anchorFile = options.anchorFile;
    this.#options = options;
    this.#signer = options.keys;
    this.#anchor = anchor;
    this.#trees = trees;
    this.#meta = meta;
    this.#tiles = tiles;
    this.#named = named;
    this.#telling = createTelling(options.anchors ?? []);
  }

  /**
   * Rebuilds every tree from the store and holds it against what was signed before. A stream that contradicts
   * its last checkpoint is marked broken and goes on unsigned; a meta-log that does cannot be continued. A key
   * rollover that a crash cut short is ended.
   * @throws KW_LEDGER_BROKEN, KW_KEY when the key in force is not there
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { store, keys, anchorFile } = options;
    const { signed, named } = await signedBefore(store, anchorFile, keys.logId);
    const tiles = pendingTiles();
    const meta = await rebuildMeta(store, keys, signed, tiles);
    if (meta.contradicts) throw notContinued(anchorFile);
    const trees = await rebuildTrees(store, keys.logId, signed, meta, tiles);
    const waiting = keyToTake(keys, meta.keys.current(), options.purpose);
    const anchor = await AnchorFile.open(anchorFile);
    const ledger = new Ledger(options, anchor, { trees, meta, tiles, named });
    try {
      if (waiting !== undefined) await ledger.#takeKey(waiting);
      else await anchor.append(ledger.#missingKeyLines());
    } catch (error) {
      await ledger.abandon();
      throw error;
    }
    return ledger;
  }

  /** Writes and signs the `start` leaf: from here on silence is a fault. `how` = what the last run left behind. */
  async start(facts: readonly MetaLine[] = []): Promise<void> {
    const last = this.#meta.last;
    const after = last === undefined ? 'nothing' : last.kind === 'stop' ? 'stop' : 'no-stop';
    const key = noteVerifier(metaOrigin(this.logId), this.publicKey).vkey;
    const broken = this.broken().map((k): MetaLine => ['broken', streamKeyText(k)]);
    await this.#serial(async () => {
      await this.#writeMetaNow('start', [['after', after], ['key', key], ...broken, ...facts]);
      // At once: a run that dies before its first heartbeat is remembered outside the store all the same.
      // A lost key cannot: the one that replaces it does.
      if (this.#options.purpose !== 'recover') await this.#signAndTell([], this.#options.clock.now());
    });
  }

  /**
   * Says how a tree's records are read, before its first record and when it changes; the same again writes
   * nothing. `from`: the first leaf it holds for, where that is in the tree and not pinned yet.
   * @throws KW_INPUT when the stream is known under another transport
   */
  async bind(key: StreamKey, binding: TreeBinding, from?: number): Promise<void> {
    const name = streamKeyText(key);
    await this.#serial(async () => {
      const known = this.#meta.bindings.get(name);
      if (known !== undefined && known.transport !== binding.transport) {
        throw new KeywitnessError(
          'KW_INPUT',
          `Stream ${key.stream} arrives by ${binding.transport}, but its records so far came by ${known.transport}. ` +
            'Nothing was written. Give it another name.',
        );
      }
      if (known !== undefined && isSameBinding(known, binding)) return;
      await this.#writeMetaNow('settings', bindingLines(key, from ?? this.size(key), binding));
    });
  }

  /** Extends a tree by leaves that are stored and read back, in offset order. */
  extend(key: StreamKey, leaves: readonly StoredLeaf[]): void {
    const name = streamKeyText(key);
    let tree = this.#trees.get(name);
    if (tree === undefined) {
      tree = newTree(this.logId, key);
      this.#trees.set(name, tree);
    }
    const full = this.#tiles.of(tree.key, noneStored);
    for (const { offset, leaf } of leaves) {
      appendLeaf(tree.frontier, leaf);
      extendEdge(tree.edge, leaf, offset, full);
    }
    tree.end = leaves.at(-1) ?? tree.end;
    if (leaves.length > 0) tree.isEnded = false;
  }

  /** A stream that ended (a file, stdin) is pinned once more and then never listed. */
  endStream(key: StreamKey): void {
    const tree = this.#trees.get(streamKeyText(key));
    if (tree === undefined || tree.isEnded) return;
    tree.isEnded = true;
    // No size: the next heartbeat lists it although it did not grow.
    tree.pinnedSize = -1;
  }

  /** A leaf of another kind. Pinned by the next heartbeat. */
  async record(
    kind: 'gap' | 'epoch' | 'ack' | 'retention' | 'hold' | 'erasure',
    lines: readonly MetaLine[],
  ): Promise<void> {
    const ready = (index: number) => signedLines({ logId: this.logId, index }, kind, lines, this.#signer);
    await this.#serial(() => this.#writeMetaNow(kind, ready));
  }

  /** Pins what grew, signs it and the meta tree, and appends both to the anchor. */
  async heartbeat(facts: HeartbeatFacts = {}): Promise<void> {
    await this.#serial(() => this.#pin('heartbeat', facts));
  }

  /** The orderly end: a `stop` leaf, signed and anchored; silence from here on is lawful. */
  async stop(facts: HeartbeatFacts = {}): Promise<void> {
    await this.#telling.settled();
    await this.#serial(() => this.#pin('stop', facts));
    await this.#telling.settled();
    await this.abandon();
  }

  /** Lets go without a word: after a failure nothing may claim an orderly end. */
  async abandon(): Promise<void> {
    await this.#telling.close();
    await this.#anchor.close();
  }

  /**
   * Another key follows. Its leaf is endorsed by the key in force, or by the offline root when that one is lost or
   * stolen; from the leaf on the rollover has happened, and a restart ends what a crash leaves undone.
   */
  async rollover(next: NextKey, root?: Signer): Promise<void> {
    refuseUsedKey(this.#meta.keys, next);
    const keys = { previous: this.publicKey, next: next.publicKey };
    const by = root === undefined ? 'previous' : 'root';
    await this.#serial(async () => {
      await this.#writeMetaNow('key', (index) =>
        rolloverLines({ logId: this.logId, index }, keys, by, root ?? this.#signer),
      );
      await this.#takeKey(next);
    });
  }

  /** Registers the offline root, which can then endorse a key in place of one that is lost or stolen. */
  async registerRoot(root: Signer): Promise<void> {
    await this.#serial(async () => {
      await this.#writeMetaNow('key', (index) => rootLines({ logId: this.logId, index }, this.#signer, root));
      await this.#signAndTell([], this.#options.clock.now(), { anchored: this.#missingKeyLines() });
    });
  }

  /** The key in force. */
  get publicKey(): Buffer {
    return this.#meta.keys.current();
  }

  /** Every key so far, and the offline root. */
  get keys(): Omit<KeyHistory, 'see'> {
    return this.#meta.keys;
  }

  size(key: StreamKey): number {
    return this.#trees.get(streamKeyText(key))?.frontier.size ?? 0;
  }

  root(key: StreamKey): Buffer {
    return frontierRoot(this.#trees.get(streamKeyText(key))?.frontier ?? emptyFrontier());
  }

  extent(key: StreamKey): TreeExtent {
    const name = streamKeyText(key);
    return {
      leaves: this.size(key),
      end: this.#trees.get(name)?.end,
      pinned: Math.max(0, this.#trees.get(name)?.pinnedSize ?? 0),
      expired: this.#meta.expired.get(name) ?? [],
      binding: this.#meta.bindings.get(name),
    };
  }

  trees(): readonly StreamKey[] {
    return [...this.#trees.values()].map((t) => t.key);
  }

  /** The run before this one did not end in order; to be asked before `start`. */
  get isInterrupted(): boolean {
    return this.#meta.last !== undefined && this.#meta.last.kind !== 'stop';
  }

  /** Trees whose leaves contradict a signed checkpoint: tell people, and `keywitness verify` says where. */
  broken(): readonly StreamKey[] {
    return [...this.#trees.values()].filter((t) => t.isBroken).map((t) => t.key);
  }

  async #pin(kind: 'heartbeat' | 'stop', facts: HeartbeatFacts): Promise<void> {
    const now = this.#options.clock.now();
    const isRelist = now - this.#relistedAt >= relistIntervalMs || kind === 'stop';
    const listed = [...this.#trees.values()].filter(
      (t) =>
        !t.isBroken && (t.frontier.size !== t.pinnedSize || (isRelist && !t.isEnded && t.frontier.size > 0)),
    );
    // Taken now, in one go: what is appended while the leaf is being written belongs to the next heartbeat.
    const pins = listed.map((tree): Checkpoint & { tree: LiveTree } => ({
      tree,
      origin: tree.origin,
      size: tree.frontier.size,
      root: frontierRoot(tree.frontier),
    }));
    await this.#writeMetaNow(kind, [
      ...pins.map((p): MetaLine => ['stream', `${p.origin} ${p.size} ${p.root.toString('base64')}`]),
      ...(facts.highs ?? []).map((h): MetaLine => ['high', `${streamKeyText(h)} ${h.high}`]),
      ...Object.entries(facts.hashes ?? {}).filter(([name, value]) => this.#meta.facts.get(name) !== value),
    ]);
    await this.#signAndTell(pins, now);
    for (const pin of pins) pin.tree.pinnedSize = pin.size;
    if (isRelist) this.#relistedAt = now;
  }

  async #signAndTell(pins: readonly Checkpoint[], now: number, how: HowToSign = {}): Promise<void> {
    // What a proof needs is there before anything is signed that a proof may start from.
    await this.#tiles.write((rows) => this.#options.store.appendTiles(rows));
    const signed = await this.#sign([...pins, this.#metaCheckpoint()], now, how);
    this.#tell(signed.at(-1) as SignedCheckpoint, now);
  }

  #metaCheckpoint(): Checkpoint {
    const { frontier } = this.#meta;
    return { origin: metaOrigin(this.logId), size: frontier.size, root: frontierRoot(frontier) };
  }

  /** Only what is durable is signed; the store's copy first, then the anchor outside. */
  async #sign(
    checkpoints: readonly Checkpoint[],
    now: number,
    { signers = [this.#signer], anchored = [] }: HowToSign,
  ): Promise<readonly SignedCheckpoint[]> {
    const rows: CheckpointRow[] = [];
    for (const { origin, size, root } of checkpoints) {
      const text = checkpointText({ origin, size, root });
      const note = await signNote(text, origin, signers);
      rows.push({ origin, size, root, note, made_at: now });
    }
    await this.#options.store.saveCheckpoints(rows);
    await this.#anchor.append([...anchored, ...rows.map((r) => anchorLines(this.logId, now, r.note))]);
    return rows;
  }

  /**
   * The key that the meta-log put into force signs from here on. The checkpoint that ends with its leaf has the
   * signature of the key before as well, so that whoever knows only that one can follow.
   */
  async #takeKey(next: NextKey): Promise<void> {
    const era = this.#meta.keys.eras().at(-1);
    const isEnd = era?.leaf === this.#meta.frontier.size - 1;
    const signers = isEnd && era.by === 'previous' ? [this.#signer, next] : [next];
    await this.#signAndTell([], this.#options.clock.now(), {
      signers,
      anchored: this.#missingKeyLines(),
    });
    this.#signer = next;
    await next.take();
  }

  /** What the anchor must say of the keys before it holds a checkpoint more. */
  #missingKeyLines(): readonly string[] {
    const { lines, named } = keyLinesMissing(this.#named, this.logId, this.#meta.keys);
    this.#named = named;
    return lines;
  }

  /** Shows the head to the other anchors, and keeps what they sign beside our own signature. */
  #tell(meta: SignedCheckpoint, now: number): void {
    const { origin, size, root } = meta;
    const read = (at: readonly TileAt[]) => this.readTiles(metaTree, at);
    const consistency = (from: number) => consistencyFromTiles(read, from, size);
    const { vkey } = noteVerifier(origin, this.publicKey);
    this.#telling.tell({ time: now, meta, vkey, consistency }, (lines) => {
      const row = { origin, size, root, note: meta.note + lines.join(''), made_at: now };
      return this.#serial(() => this.#options.store.saveCheckpoints([row]));
    });
  }

  /** Tiles of a tree for proofs: those that are not full yet from memory, the others from the store. */
  async readTiles(key: StreamKey, at: readonly TileAt[]): Promise<ReadonlyMap<string, Buffer>> {
    const edge = key.stream === metaTree.stream ? this.#meta.edge : this.#trees.get(streamKeyText(key))?.edge;
    const found = new Map<string, Buffer>();
    for (const tile of at) {
      const last = edge?.[tile.level];
      if (last?.index === tile.index) found.set(tileName(tile), Buffer.concat(last.hashes));
    }
    const missing = at.filter((tile) => !found.has(tileName(tile)));
    for (const [name, hashes] of await this.#options.store.readTiles(key, missing)) found.set(name, hashes);
    return found;
  }

  /** `lines` may depend on the index of the leaf they become. */
  async #writeMetaNow(
    kind: MetaKind,
    lines: readonly MetaLine[] | ((index: number) => Promise<readonly MetaLine[]>),
  ): Promise<void> {
    if (this.#isMetaUncertain) await this.#readMetaAgain();
    const ready = typeof lines === 'function' ? await lines(this.#meta.frontier.size) : lines;
    const { time, noted } = timeOfLeaf(kind, this.#options.clock.now(), this.#meta.last);
    const texts = metaTexts({ kind, time, lines: [...noted, ...ready] });
    const full = this.#tiles.of(metaTree, noneStored);
    const next: Frontier = copyFrontier(this.#meta.frontier);
    const rows = texts.map((text, i) => ({ index: next.size + i, kind, made_at: time, text }));
    for (const text of texts) appendLeaf(next, leafHashOfText(text));
    this.#isMetaUncertain = true;
    await this.#options.store.appendMeta(rows);
    this.#isMetaUncertain = false;
    this.#meta = { ...this.#meta, frontier: next };
    for (const { index, text } of rows) {
      extendEdge(this.#meta.edge, leafHashOfText(text), BigInt(index), full);
      noteMeta(this.#meta, index, text);
    }
  }

  /** After a write that failed: the leaves may be there or not, and an index must not be used twice. */
  async #readMetaAgain(): Promise<void> {
    for await (const page of this.#options.store.metaLeaves(this.#meta.frontier.size)) {
      for (const leaf of page) {
        if (!noteMeta(this.#meta, leaf.index, leaf.text, this.logId)) throw notContinued(this.anchorFile);
        const hash = leafHashOfText(leaf.text);
        appendLeaf(this.#meta.frontier, hash);
        extendEdge(this.#meta.edge, hash, BigInt(leaf.index), this.#tiles.of(metaTree, noneStored));
      }
    }
    this.#isMetaUncertain = false;
  }

  #serial<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
