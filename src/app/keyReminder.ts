import type { Clock } from '../core/clock.ts';
import { ageDays, keyAgeDaysMax } from '../ledger/keyHistory.ts';
import { every } from './every.ts';

const dayMs = 86_400_000;

/** Says at the start, and then once a day, that the signing key is too old. `since`: when it came into force. */
export function startKeyReminder(
  since: () => number | undefined,
  clock: Clock,
  onOld: (days: number) => void,
): () => Promise<void> {
  const look = async () => {
    const days = ageDays(since() ?? clock.now(), clock.now());
    if (days > keyAgeDaysMax) onOld(days);
  };
  void look();
  return every(dayMs, clock, look, () => {});
}
