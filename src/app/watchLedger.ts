import type { Clock } from '../core/clock.ts';
import type { KeywitnessError } from '../core/errors.ts';
import { Outage } from '../intake/outage.ts';
import * as events from '../telemetry/serviceEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { AnchorTrouble } from './anchors.ts';

/** A store may restart without anybody's sleep being disturbed: three heartbeats are half a minute. */
const failuresBeforeTrouble = 3;

export interface LedgerWatch {
  /** A heartbeat could not be written. */
  onTrouble(error: KeywitnessError): void;
  /** One was. */
  onHeartbeat(): void;
}

/** How heartbeats fare: an outage is told once when it begins and once when it ends, and people hear of a lasting one. */
export function watchLedger(
  telemetry: Telemetry,
  clock: Clock,
  trouble: (what: AnchorTrouble) => void,
): LedgerWatch {
  const outage = new Outage();
  let failures = 0;
  let isTold = false;
  return {
    onTrouble(error) {
      events.heartbeatFailed(telemetry, error, outage.begin(clock.now()));
      failures += 1;
      // An anchor that cannot be written does not come back by itself, as a store may.
      if (isTold || (error.code !== 'KW_ANCHOR' && failures < failuresBeforeTrouble)) return;
      isTold = true;
      const anchor = error.code === 'KW_ANCHOR' ? 'anchor file' : 'store';
      trouble({ kind: 'unsigned', anchor, sentence: error.message });
    },
    onHeartbeat() {
      failures = 0;
      isTold = false;
      events.heartbeatWritten(telemetry, outage.end(clock.now()));
    },
  };
}
