import type { Config } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import { httpIntake } from '../intake/http.ts';
import type { Intake, IntakeSink } from '../intake/intake.ts';
import { startKafka } from '../intake/kafka.ts';
import { listen } from '../intake/listen.ts';
import type { Membership } from '../intake/membership.ts';
import type { Engine } from '../store/client.ts';
import { statusRoutes } from '../telemetry/status.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { kafkaOptions } from './kafkaOptions.ts';

export interface ServiceOptions {
  readonly config: Config;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly openStore: () => Promise<Engine>;
  /** Aborted when the process is told to end. */
  readonly stop: AbortSignal;
}

/** What was opened, to be closed in the opposite order. */
export type Closers = (() => Promise<void>)[];

export interface Doors {
  readonly intakes: Intake[];
  readonly closers: Closers;
  readonly draining: AbortSignal;
  /** Where several instances share the topics; absent = alone. */
  readonly membership?: Membership;
}

/** Opens what people and records come in by. */
export async function openIntakes(
  sink: IntakeSink,
  { config, telemetry, clock }: ServiceOptions,
  { intakes, closers, draining, membership }: Doors,
): Promise<void> {
  closers.push(
    await listen(
      config.listen,
      statusRoutes(telemetry, () => !draining.aborted),
    ),
  );
  if (config.http !== undefined) {
    const { streams } = config.http;
    const http = httpIntake({ streams, sink, telemetry, clock });
    const close = await listen(config.http, http.app);
    closers.push(async () => {
      await http.stop();
      await close();
    });
  }
  if (config.kafka === undefined) return;
  const kafka = startKafka(
    { ...kafkaOptions(config.cluster, config.kafka), ...(membership && { membership }) },
    sink,
    telemetry,
  );
  intakes.push(kafka);
  closers.push(() => kafka.stop());
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
