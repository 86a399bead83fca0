import { KeywitnessError } from '../../src/core/errors.ts';
import { type KwRecord, type StreamKey, streamKeyText } from '../../src/core/record.ts';
import type { IntakeSink, StoredEnd } from '../../src/intake/intake.ts';
import { leafHash } from '../../src/ledger/leaf.ts';

/**
 * A sink that keeps what it is given and can be told to refuse, to be slow, or to fail after storing. It stores a
 * record twice when it is delivered twice: nothing here hides a double delivery.
 */
export class MemorySink implements IntakeSink {
  readonly stored: KwRecord[] = [];
  readonly flushSizes: number[] = [];
  readonly gaps: { key: StreamKey; first: bigint; last: bigint }[] = [];
  readonly epochs: { key: StreamKey; reason: string }[] = [];
  readonly highs = new Map<string, bigint>();
  recovered = 0;
  /** Called before a flush is stored; may throw or wait. */
  before: (records: readonly KwRecord[]) => Promise<void> | void = () => {};
  /** Called after a flush is stored, before it is acknowledged. */
  after: () => Promise<void> | void = () => {};

  async deliver(records: readonly KwRecord[]): Promise<void> {
    await this.before(records);
    this.stored.push(...records);
    this.flushSizes.push(records.length);
    await this.after();
  }

  async authority(stream: string, partition: number): Promise<StoredEnd | undefined> {
    const mine = this.stored.filter((r) => r.stream === stream && r.partition === partition);
    return mine.reduce<StoredEnd | undefined>((best, r) => (isLater(r, best) ? end(r) : best), undefined);
  }

  async isStored(record: KwRecord): Promise<boolean> {
    const found = this.stored.find(
      (r) => streamKeyText(r) === streamKeyText(record) && r.offset === record.offset,
    );
    return found !== undefined && leafHash(found, 'http').equals(leafHash(record, 'http'));
  }

  async recover(): Promise<void> {
    this.recovered++;
  }

  onHigh(key: StreamKey, high: bigint): void {
    this.highs.set(streamKeyText(key), high);
  }

  async onGap(key: StreamKey, first: bigint, last: bigint): Promise<void> {
    this.gaps.push({ key, first, last });
  }

  async onEpoch(key: StreamKey, reason: string): Promise<void> {
    this.epochs.push({ key, reason });
  }

  values(): string[] {
    return this.stored.map((r) => String(r.value));
  }
}

export function storeRefused(): KeywitnessError {
  return new KeywitnessError('KW_STORE', 'the test said so');
}

function isLater(r: StoredEnd, best: StoredEnd | undefined): boolean {
  return best === undefined || r.epoch > best.epoch || (r.epoch === best.epoch && r.offset > best.offset);
}

function end({ stream, partition, epoch, offset }: KwRecord): StoredEnd {
  return { stream, partition, epoch, offset };
}
