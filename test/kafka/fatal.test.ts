import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { afterAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';
// Its codecs, to produce with.
import '../../src/intake/kafka.ts';
import { brokers, describeKafka, freshTopic, produce } from '../support/kafka.ts';
import { freePort } from '../support/kafkaProcess.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-fatal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeKafka('a compression nobody can read', () => {
  test('ends the service with exit 4 and one clear line, for its supervisor', async () => {
    const addresses = await brokers();
    const topic = await freshTopic(addresses);
    await produce(addresses, topic, [{ value: '{}' }], { compression: kafkajs.CompressionTypes.LZ4 });
    const config = join(folder, 'keywitness.yaml');
    writeFileSync(
      config,
      `data: ./data
listen: 127.0.0.1:${await freePort()}
kafka:
  brokers: ${JSON.stringify(addresses)}
  groupId: ${topic}
  topics: [{ name: ${topic} }]
`,
    );
    const words = [
      '--import',
      'tsx',
      join(packageRoot, 'test/kafka/withoutLz4.ts'),
      'run',
      '--config',
      config,
    ];
    const { status, stderr } = spawnSync(process.execPath, words, {
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
      encoding: 'utf8',
      timeout: 60_000,
    });
    const lines = stderr.split('\n').filter((line) => line.includes('KW_BROKER'));
    expect(lines, stderr).toEqual([
      'KW_BROKER: Kafka did not answer, or cannot be read. A batch is compressed in a way that this version does not ' +
        'know (LZ4 compression not implemented). Nothing is lost: it waits in its topic.',
    ]);
    expect(status).toBe(4);
  });
});
