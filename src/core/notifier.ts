import type { Alert, Level } from './signal.ts';

/** Why people hear now: each is also the reason written to the delivery log. */
export type MessageChange = 'new' | 'updated' | 'raised' | 'repeated';

interface MessageBase {
  /** Alert id or roll-up id: with `change` and `revision` it names the message, whatever the number of attempts. */
  readonly key: string;
  readonly change: MessageChange;
  /** Fingerprint of what is told; the same content has the same revision. */
  readonly revision: string;
  /** Critical: mark it so that someone is called. */
  readonly mention: boolean;
  /** What the notifier answered as `ref` for the message this one updates. */
  readonly previous?: string;
  /** Milliseconds: an earlier attempt at this message ended without an answer and may have arrived. */
  readonly ambiguousSince?: number;
}

export interface AlertMessage extends MessageBase {
  readonly kind: 'alert';
  readonly alert: Alert;
}

/** One message instead of many when a rule floods. */
export interface RollupMessage extends MessageBase {
  readonly kind: 'rollup';
  readonly rule: string;
  readonly title: string;
  readonly severity: Level;
  readonly count: number;
  /** ISO 8601 UTC: the hour of alerts it speaks for. */
  readonly from: string;
  readonly until: string;
  readonly alerts: readonly Alert[];
}

export type Message = AlertMessage | RollupMessage;

/**
 * What became of one attempt. A notifier only classifies; one stage retries, counts and logs.
 * `reason` is a short code or sentence for the log and holds nothing of the message, no token and no address.
 */
export type Delivery =
  | { readonly kind: 'delivered'; readonly ref: string; readonly note?: string }
  | {
      readonly kind: 'retry';
      /** The receiver's own wish (Retry-After); 0 = none. */
      readonly afterMs: number;
      readonly reason: string;
      /** True when the receiver may have taken the message although no answer came. */
      readonly isAmbiguous?: boolean;
    }
  | { readonly kind: 'reject'; readonly reason: string };

/** A way to people. */
export interface Notifier {
  /** Name in routes, log and metrics. */
  readonly name: string;
  /** True when a later message replaces the earlier one silently: updates may come often. */
  readonly updatesInPlace: boolean;
  /** True for files on this machine: sending twice changes nothing, nobody is called, no limit applies. */
  readonly isLocal: boolean;
  /** Least time between two messages, as the receiver asks. */
  readonly paceMs: number;
  send(message: Message, signal?: AbortSignal): Promise<Delivery>;
  close(): Promise<void>;
}
