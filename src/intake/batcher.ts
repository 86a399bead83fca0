/** Something to be flushed together with others. */
export interface Entry {
  readonly records: number;
  readonly bytes: number;
}

export interface BatcherOptions<E extends Entry> {
  /** Deals with its own errors: a rejection here is a bug and reaches `onBug`. */
  readonly flush: (entries: readonly E[]) => Promise<void>;
  readonly onBug: (error: unknown) => void;
  readonly recordsMax: number;
  readonly bytesMax: number;
  readonly intervalMs: number;
}

/**
 * Collects entries in order and flushes them one flush at a time: when enough came together, or when the oldest
 * has waited long enough. While one flush runs the next is collected, so reading and writing overlap; what is
 * held in memory is bounded by one flush and one queue.
 */
export class Batcher<E extends Entry> {
  readonly #options: BatcherOptions<E>;
  #queue: E[] = [];
  #records = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #oldestAt = 0;
  #waiting: (() => void)[] = [];

  constructor(options: BatcherOptions<E>) {
    this.#options = options;
  }

  get records(): number {
    return this.#records;
  }

  get isFull(): boolean {
    return this.#records >= this.#options.recordsMax || this.#bytes >= this.#options.bytesMax;
  }

  push(entry: E): void {
    if (this.#queue.length === 0) this.#oldestAt = Date.now();
    this.#queue.push(entry);
    this.#records += entry.records;
    this.#bytes += entry.bytes;
    this.#schedule();
  }

  /** Resolves when there is room: what makes a fast sender wait for a slow store. */
  async room(): Promise<void> {
    while (this.isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Flushes what is there now and waits until nothing is in flight. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#flushing) {
      if (!this.#flushing) this.#start();
      await this.#flushing;
    }
  }

  /** Waits for the flush in flight, if any. */
  async settled(): Promise<void> {
    await this.#flushing;
  }

  /** Takes back what is not in flight. */
  clear(): E[] {
    const dropped = this.#queue;
    this.#queue = [];
    this.#records = 0;
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wake();
    return dropped;
  }

  #schedule(): void {
    if (this.#flushing || this.#queue.length === 0) return;
    if (this.isFull) {
      this.#start();
      return;
    }
    const waitMs = Math.max(0, this.#oldestAt + this.#options.intervalMs - Date.now());
    this.#timer ??= setTimeout(() => this.#start(), waitMs);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flushing || this.#queue.length === 0) return;
    const entries = this.#take();
    this.#flushing = this.#options
      .flush(entries)
      .catch(this.#options.onBug)
      .finally(() => {
        this.#flushing = undefined;
        this.#schedule();
      });
    this.#wake();
  }

  /** As many as fit, at least one. */
  #take(): E[] {
    let count = 0;
    let records = 0;
    let bytes = 0;
    for (const entry of this.#queue) {
      const fits =
        records + entry.records <= this.#options.recordsMax && bytes + entry.bytes <= this.#options.bytesMax;
      if (count > 0 && !fits) break;
      count++;
      records += entry.records;
      bytes += entry.bytes;
    }
    this.#records -= records;
    this.#bytes -= bytes;
    this.#oldestAt = Date.now();
    return this.#queue.splice(0, count);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
