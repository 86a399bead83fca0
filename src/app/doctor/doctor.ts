import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { KafkaOptions } from '../../intake/kafka.ts';
import type { Engine } from '../../store/client.ts';
import { lockDataDir, lockHolder } from '../../store/lock.ts';
import { brokerFindings } from './broker.ts';
import { type Finding, ok } from './finding.ts';
import { type MachineOptions, machineFindings } from './machine.ts';
import { storeFindings } from './store.ts';

export interface DoctorOptions extends MachineOptions {
  /** Absent: a data directory without a service. */
  readonly config: Config | undefined;
  readonly kafka: KafkaOptions | undefined;
  readonly openStore: () => Promise<Engine>;
}

/** Looks at everything a running Keywitness needs; changes nothing. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { config, kafka } = options;
  return [
    ...configFindings(config),
    ...machineFindings(options),
    ...(config?.store === undefined
      ? await embeddedFindings(options)
      : await storeFindings(options.openStore, config.store.user)),
    ...(kafka === undefined ? [] : await brokerFindings(kafka, config?.store !== undefined)),
  ];
}

function configFindings(config: Config | undefined): Finding[] {
  if (config === undefined) return [];
  const found: Finding[] = [];
  const { listen, http, notify } = config;
  for (const [name, at] of [
    ['listen', listen],
    ['http.listen', http],
  ] as const) {
    if (at?.insecure !== true || at.tls !== undefined) continue;
    const detail = `\`${name}\` is ${at.host}:${at.port} without TLS${name === 'listen' ? '' : ': tokens and records travel in plain'}`;
    found.push({
      check: 'config',
      state: 'advice',
      detail,
      fix: `Give \`${name}\` tls: { cert, key } and drop \`insecure\``,
    });
  }
  if (notify.slack === undefined && notify.email === undefined) {
    const detail = 'nobody is told of alerts: they are written to DATA/outbox';
    found.push({ check: 'config', state: 'advice', detail, fix: 'Set `notify.slack` or `notify.email`' });
  }
  return found.length > 0 ? found : [ok('config', config.file)];
}

/** One process owns an embedded store: while another runs on it, that one's own checks stand. */
async function embeddedFindings({ dataDir, openStore }: DoctorOptions): Promise<Finding[]> {
  if (!existsSync(dataDir)) return [];
  if (!existsSync(join(dataDir, 'store'))) {
    const fix = '`keywitness ingest FILE` or `keywitness run` makes it';
    return [{ check: 'store', state: 'missing', detail: `${dataDir} holds no store`, fix }];
  }
  if (lockHolder(dataDir) !== undefined) return [ok('store', 'in use by the process that runs; not opened')];
  const release = lockDataDir(dataDir);
  try {
    return await storeFindings(openStore);
  } finally {
    release();
  }
}
