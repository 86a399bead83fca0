import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/config.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { kafkaVersion } from '../support/kafkaHome.ts';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly command?: readonly string[];
  readonly network_mode?: string;
  readonly privileged?: boolean;
}

const read = (file: string) => readFileSync(join(packageRoot, file), 'utf8');
const compose = parse(read('docker-compose.yml')) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const named = (name: string): Service => {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return service;
};

describe('docker-compose.yml', () => {
  test('brings Kafka, ClickHouse, a mail catcher and Keywitness built from this repository', () => {
    expect(services.map(([name]) => name)).toEqual(['kafka', 'topics', 'clickhouse', 'mail', 'keywitness']);
    expect(named('keywitness').build).toBe('.');
    expect(named('kafka').image).toBe(`apache/kafka:${kafkaVersion}`);
  });

  test('publishes nothing beyond loopback', () => {
    for (const [name, { ports = [], network_mode, privileged }] of services) {
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
      expect([network_mode, privileged], name).toEqual([undefined, undefined]);
    }
  });

  test('every image has a version', () => {
    for (const [name, { image }] of services) expect(image, name).toMatch(/:(?!latest$)[\w.-]+$/);
  });

  test('every service says whether it is well, but the one that ends', () => {
    for (const [name, { healthcheck }] of services) {
      if (name === 'topics') continue;
      expect(healthcheck?.test?.[0], name).toBe('CMD');
    }
  });

  test('whoever is waited for exists, and is waited for until it is well', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(condition, name).toBe(
          other === 'topics' ? 'service_completed_successfully' : 'service_healthy',
        );
        expect(compose.services[other], `${name} waits for ${other}`).toBeDefined();
      }
    }
  });

  test('named volumes are declared, and mounted files are in the repository', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('.')) expect(read(source), name).not.toBe('');
        else expect(Object.keys(compose.volumes), name).toContain(source);
      }
    }
  });

  test('holds no password: each comes from .env and is required there', () => {
    const secrets = services.flatMap(([, { environment = {} }]) =>
      Object.entries(environment).filter(([key]) => /PASS|SECRET|TOKEN|KEY_/.test(key)),
    );
    expect(secrets.length).toBeGreaterThan(0);
    for (const [key, value] of secrets) expect(value).toBe(`\${${key}:?set it in .env}`);
    const example = read('.env.example').split('\n');
    for (const [key] of secrets) expect(example, 'an empty line for people to fill in').toContain(`${key}=`);
    expect(read('.gitignore').split('\n')).toContain('.env');
  });
});

describe('the configuration it mounts', () => {
  const text = read('docs/deploy/keywitness.yaml');
  const { config, diagnostics } = parseConfig(text, 'docs/deploy/keywitness.yaml', {
    env: { CLICKHOUSE_PASSWORD: 'from-the-environment' },
  });

  test('passes `config check`', () => {
    expect(diagnostics).toEqual([]);
    expect(config?.store?.password.reveal()).toBe('from-the-environment');
  });

  test('names the services, topics and volumes of the compose file', () => {
    expect(config?.kafka?.brokers).toEqual(['kafka:19092']);
    expect(named('kafka').environment?.KAFKA_ADVERTISED_LISTENERS).toContain('INSIDE://kafka:19092');
    expect(config?.store?.url).toBe('http://clickhouse:8123');
    expect(config?.store?.user).toBe(named('clickhouse').environment?.CLICKHOUSE_USER);
    const script = String(named('topics').command);
    for (const { name } of config?.kafka?.topics ?? []) expect(script).toContain(name);
    expect(named('keywitness').volumes).toContain(`keywitness:${config?.data}`);
    expect(named('keywitness').volumes).toContain('anchor:/var/lib/keywitness-anchor');
    expect(config?.anchor).toBe('/var/lib/keywitness-anchor/anchor');
  });
});

describe('Dockerfile', () => {
  const lines = read('Dockerfile').split('\n');

  test('runs as a user that is not root, from an image with a version, in two stages', () => {
    expect(lines.filter((line) => line.startsWith('FROM')).map((line) => line.split(' ')[1])).toEqual([
      'node:20-slim',
      'node:20-slim',
    ]);
    expect(lines.filter((line) => line.startsWith('USER'))).toEqual(['USER node']);
    expect(lines.indexOf('USER node')).toBeLessThan(lines.findIndex((line) => line.startsWith('ENTRYPOINT')));
  });

  test('copies what the npm package holds', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    const copied = lines.filter((line) => line.startsWith('COPY --from=build')).join('\n');
    for (const file of files.filter((f) => !['NOTICE', 'dashboards'].includes(f))) {
      expect(copied, file).toContain(`/app/${file}`);
    }
  });
});
