import type { StreamKey } from '../core/record.ts';
import type { MetaLine } from '../ledger/meta.ts';
import type { StreamTrouble } from './sink.ts';

/** What instances tell each other over the control topic. Several logs may share the topic: each reads its own. */
export type ControlMessage = {
  /** LOGID. */
  readonly log: string;
  readonly instance: string;
} & (
  | { readonly kind: 'claim'; readonly partitions: readonly string[] }
  /** For the meta-log, which only the holder of the control partition writes. */
  | { readonly kind: 'leaf'; readonly leaf: 'gap' | 'epoch'; readonly lines: readonly MetaLine[] }
  | { readonly kind: 'trouble'; readonly trouble: StreamTrouble }
);

export function controlText(message: ControlMessage): Buffer {
  return Buffer.from(JSON.stringify(message));
}

/** Undefined for what is no message of ours: another version's, or somebody else's. */
export function parseControl(value: Buffer): ControlMessage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString());
  } catch {
    return undefined;
  }
  const message = parsed as Partial<Record<string, unknown>> | null;
  if (typeof message !== 'object' || message === null) return undefined;
  if (typeof message.log !== 'string' || typeof message.instance !== 'string') return undefined;
  const isWhole =
    (message.kind === 'claim' && Array.isArray(message.partitions)) ||
    (message.kind === 'leaf' &&
      (message.leaf === 'gap' || message.leaf === 'epoch') &&
      isLines(message.lines)) ||
    (message.kind === 'trouble' && isTrouble(message.trouble));
  return isWhole ? (parsed as ControlMessage) : undefined;
}

function isLines(lines: unknown): boolean {
  const isPair = (line: unknown) =>
    Array.isArray(line) && line.length === 2 && line.every((t) => typeof t === 'string');
  return Array.isArray(lines) && lines.every(isPair);
}

function isTrouble(trouble: unknown): boolean {
  const { kind, key, sentence } = (trouble ?? {}) as Partial<StreamTrouble>;
  const { stream, partition, epoch } = (key ?? {}) as Partial<StreamKey>;
  return (
    [kind, sentence, stream].every((t) => typeof t === 'string') &&
    [partition, epoch].every(Number.isSafeInteger)
  );
}
