import { expect, it } from 'vitest';
import { startKeyReminder } from '../../src/app/keyReminder.ts';
import type { Clock } from '../../src/core/clock.ts';
import * as events from '../../src/telemetry/serviceEvents.ts';
import { statusRoutes } from '../../src/telemetry/status.ts';
import { capture } from '../support/capture.ts';

const dayMs = 86_400_000;

it('a key older than 90 days is named on /healthz and in the log, once a day, and not a day sooner', async () => {
  const { telemetry, lines } = capture();
  let now = Date.parse('2026-07-01T00:00:00Z');
  const since = now - 88 * dayMs - 1;
  let wake = () => {};
  const clock: Clock = {
    now: () => now,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        wake = resolve;
        signal?.addEventListener('abort', () => resolve());
      }),
  };
  const healthz = async () => (await statusRoutes(telemetry, () => true).request('/healthz')).text();
  const stop = startKeyReminder(
    () => since,
    clock,
    (days) => events.signingKeyOld(telemetry, days),
  );
  const said: number[] = [];
  for (let day = 88; day <= 92; day += 1) {
    said.push(lines().length);
    if (day === 90) expect(await healthz()).toBe('ok\n');
    now += dayMs;
    wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await stop();
  expect(said).toEqual([0, 0, 0, 1, 2]);
  expect(lines().map((l) => [l.event, l.days])).toEqual(
    [91, 92, 93].map((days) => ['signing_key_old', days]),
  );
  expect(await healthz()).toBe(
    'impaired\nsigning key: it has signed for 93 days: stop the service and run keywitness keys rotate\n',
  );
});

it('a key that is too old already is named at the start', async () => {
  const { telemetry, lines } = capture();
  const clock: Clock = { now: () => 200 * dayMs, sleep: async () => undefined };
  const stopping = startKeyReminder(
    () => 100 * dayMs,
    { ...clock, sleep: (_, signal) => new Promise((r) => signal?.addEventListener('abort', () => r())) },
    (days) => events.signingKeyOld(telemetry, days),
  );
  expect(lines().map((l) => l.days)).toEqual([100]);
  await stopping();
});
