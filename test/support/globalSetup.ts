import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { stopSharedBroker } from './broker.ts';
import { isAlive } from './kafkaProcess.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    kafkaRunDir: string;
  }
}

const prefix = 'keywitness-run-';

/** One Kafka broker a run, started by the first test that needs it (test/support/kafka.ts), stopped here. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await endBrokersOfDeadRuns();
  const runDir = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  project.provide('kafkaRunDir', runDir);
  return () => stopSharedBroker(runDir);
}

/** A run that was killed could not stop its broker; the next one does. */
async function endBrokersOfDeadRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await stopSharedBroker(join(tmpdir(), name));
  }
}
