import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { stopSharedBroker } from './broker.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    kafkaRunDir: string;
  }
}

/** One Kafka broker a run, started by the first test that needs it (test/support/kafka.ts), stopped here. */
export function setup(project: TestProject): () => Promise<void> {
  const runDir = mkdtempSync(join(tmpdir(), 'keywitness-run-'));
  project.provide('kafkaRunDir', runDir);
  return () => stopSharedBroker(runDir);
}
