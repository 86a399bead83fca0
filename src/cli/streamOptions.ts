import type { Command } from 'commander';
import { KeywitnessError } from '../core/errors.ts';
import { defaultStreamSettings, type StreamSettings } from '../sources/source.ts';

/** How a stream's bytes are to be read, as the command line says. */
export interface StreamFlags {
  readonly store: string;
  readonly cluster: string;
  readonly host: string;
  readonly zone: string;
  readonly kv2?: readonly string[];
}

export function withStreamOptions(command: Command): Command {
  return command
    .option('--store <name>', 'name of the vault in canonical ids', defaultStreamSettings.store)
    .option('--cluster <name>', 'name of the cluster in canonical ids', defaultStreamSettings.cluster)
    .option('--host <name>', 'name of the host in canonical ids', defaultStreamSettings.host)
    .option('--zone <zone>', 'IANA zone of times without one', defaultStreamSettings.zone)
    .option(
      '--kv2 <mount>',
      'a KV version 2 mount; repeat it, or separate by commas (default: judged by the path)',
      addMounts,
    );
}

/** @throws KW_USAGE for a zone that does not exist */
export function streamSettings(flags: StreamFlags): StreamSettings {
  const { store, cluster, host, zone, kv2 } = flags;
  try {
    Intl.DateTimeFormat('en', { timeZone: zone });
  } catch (cause) {
    throw new KeywitnessError('KW_USAGE', `${zone} is no IANA time zone (like Europe/Berlin).`, { cause });
  }
  return { store, cluster, host, zone, ...(kv2 === undefined ? {} : { kv2 }) };
}

function addMounts(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...value.split(',').map((m) => m.trim().replace(/^\/+|\/+$/g, ''))].filter(
    (m) => m !== '',
  );
}
