import { expect, test } from 'vitest';
import { readingOf } from '../../src/app/streamReading.ts';
import { parseConfig } from '../../src/config/config.ts';
import { loadSources } from '../../src/sources/registry.ts';

const { config } = parseConfig(
  `cluster: prod
kafka:
  brokers: ["127.0.0.1:9092"]
  topics:
    - { pattern: "vault-.*", source: vault, store: every }
    - { pattern: "vault-eu-.*", source: vault, store: never }
    - { name: vault-us, source: cloudtrail, store: own }
`,
  'keywitness.yaml',
);

test.each([
  ['prod.vault-us', 'cloudtrail', 'own'],
  ['prod.vault-eu-1', 'vault', 'every'],
  ['prod.vault-', 'vault', 'every'],
])(
  '%s is read as its own entry says, else as the first pattern that matches',
  async (stream, source, store) => {
    if (config === undefined) throw new Error('the configuration is wrong');
    const reading = readingOf(config, await loadSources(), stream);
    expect(reading).toMatchObject({ transport: 'kafka', source, settings: { store } });
  },
);

test.each(['prod.my-vault-us', 'prod.vault', 'stage.vault-us', 'vault-us'])(
  '%s is no topic of the configuration: a pattern means the whole name',
  async (stream) => {
    if (config === undefined) throw new Error('the configuration is wrong');
    const sources = await loadSources();
    expect(() => readingOf(config, sources, stream)).toThrow('KW_CONFIG');
  },
);
