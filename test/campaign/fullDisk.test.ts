import { expect, test } from 'vitest';
import { brokers, describeKafka } from '../support/kafka.ts';
import { brokenOf, ownDisks, playFullDisk } from './fullDisk.ts';

const disks = ownDisks();
if (disks === undefined) {
  if (process.env.CI === 'true')
    throw new Error('CI=true and no disk can be mounted: full disks cannot be tested');
  process.stderr.write('\n*** TESTS OF FULL DISKS SKIPPED: unshare or mount is not allowed here. ***\n');
}

describeKafka('a disk that is full', () => {
  test.skipIf(disks === undefined)(
    'loses and doubles nothing, is told and shown, and all goes on when there is room again',
    async () => {
      const scene = await playFullDisk(disks ?? [], await brokers());
      expect(brokenOf(scene)).toEqual([]);
      // One line when it begins and one when it is over, whatever the number of attempts.
      const events = scene.log.map((l) => l.event).filter((event) => !event.startsWith('channel_'));
      expect(events.sort()).toEqual([
        'detection_recovered',
        'detection_round_failed',
        'flush_failed',
        'heartbeat_failed',
        'heartbeat_failed',
        'ledger_recovered',
        'ledger_recovered',
        'store_recovered',
      ]);
      const reasons = scene.log.flatMap((l) => l.reason ?? []);
      expect(
        reasons.filter((r) => r.includes('NOT_ENOUGH_SPACE')).every((r) => r.includes('Make room')),
      ).toBe(true);
    },
    120_000,
  );
});
