import type { DispatchObserver } from '../alert/channel.ts';
import type { Config } from '../config/config.ts';
import type { Anchor } from '../ledger/anchors/anchor.ts';
import * as anchorEvents from '../telemetry/anchorEvents.ts';
import * as events from '../telemetry/serviceEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type AnchorTrouble, openAnchors } from './anchors.ts';

/** What becomes of messages to people, in log and metrics. */
export function deliveryObserver(telemetry: Telemetry): DispatchObserver {
  return {
    delivered: (channel) => events.messageDelivered(telemetry, channel),
    rejected: (channel, key, reason) => events.messageRejected(telemetry, channel, key, reason),
    channelDown: (channel, reason, waiting) => events.channelDown(telemetry, channel, reason, waiting),
    channelUp: (channel) => events.channelUp(telemetry, channel),
  };
}

/** The witnesses of the configuration, watched. @throws KW_CONFIG */
export function openWitnesses(
  { witnesses }: Config,
  telemetry: Telemetry,
  trouble: (what: AnchorTrouble) => void,
): Anchor[] {
  return openAnchors(witnesses, {
    kept: (anchor, wasAway) => anchorEvents.anchorKept(telemetry, anchor, wasAway),
    failed: (anchor, error, isFirst) => anchorEvents.anchorFailed(telemetry, anchor, error, isFirst),
    trouble,
  });
}
