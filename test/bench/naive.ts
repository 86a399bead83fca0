import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';
import { openEmbedded } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';

interface VaultLine {
  readonly time?: string;
  readonly type?: string;
  readonly error?: string;
  readonly auth?: {
    readonly accessor?: string;
    readonly display_name?: string;
    readonly entity_id?: string;
    readonly policies?: string[];
    readonly token_issue_time?: string;
    readonly token_ttl?: number;
    readonly metadata?: { readonly role_name?: string };
    readonly policy_results?: { readonly granting_policies?: { readonly name?: string }[] };
  };
  readonly request?: {
    readonly id?: string;
    readonly operation?: string;
    readonly path?: string;
    readonly remote_address?: string;
    readonly mount_point?: string;
    readonly mount_type?: string;
    readonly client_id?: string;
    readonly headers?: { readonly 'user-agent'?: string[] };
  };
}

/** A row of `events` as a first version would fill it: same columns, none of the care. */
export function naiveRow(
  text: string,
  stream: string,
  partition: number,
  offset: string,
  now: string,
): object {
  const line = JSON.parse(text) as VaultLine;
  const { auth, request } = line;
  const final = line.type === 'response';
  const denied = line.error?.includes('permission denied') === true;
  const address = request?.remote_address ?? '';
  // biome-ignore format: a row is one list of columns
  return {
    stream, partition, epoch: 0, offset, idx: 0, ingested_at: now,
    time: (line.time ?? '').replace('T', ' ').replace('Z', ''), time_quality: 'source',
    source: 'vault', format: 'json', adapter: 1, logsource: 'vault/audit',
    source_uid: request?.id ?? '', dup_key: `${request?.id}/${line.type}`, phase: final ? 'final' : 'attempt',
    request_id: request?.id ?? '', correlation_ids: [], operation: request?.operation ?? '',
    action: request?.operation ?? 'other', outcome: denied ? 'denied' : line.error ? 'error' : 'allowed',
    outcome_code: '', outcome_reason: line.error ?? '',
    actor_id: auth?.entity_id ?? auth?.accessor ?? '', actor_kind: 'unknown', actor_name: auth?.display_name ?? '',
    actor_role: auth?.metadata?.role_name ?? '', actor_groups: [], actor_policies: auth?.policies ?? [],
    acting_as: '', via: '', target_actor: '', session_id: auth?.accessor ?? '',
    session_start: (auth?.token_issue_time ?? '1970-01-01T00:00:00Z').replace('T', ' ').replace('Z', ''),
    auth_method: '', auth_provider: '', auth_mfa: '', src_ip: address.includes(':') ? address : `::ffff:${address || '0.0.0.0'}`,
    src_host: '', user_agent: request?.headers?.['user-agent']?.[0] ?? '', client_app: '', workload: {},
    object_kind: 'secret', object_id: `vault:main/${request?.path}`, object_version: '', object_store: 'main',
    object_account: '', object_region: '', objects: [`vault:main/${request?.path}`], objects_total: 1, lease_id: '',
    exposed: [], flags: [], granted_by: (auth?.policy_results?.granting_policies ?? []).map((p) => p.name ?? ''),
    object_mount: request?.mount_point ?? '', object_mount_type: request?.mount_type ?? '', token_ttl: auth?.token_ttl ?? 0,
    client_id: request?.client_id ?? '', record_bytes: text.length, env: '', actor_env: '', owner: '', team: '', secret: '',
    identity: '', identity_kind: '', network: '', geo_country: '', asn: 0, marks: [], catalog_version: 0, writer: 0,
    hits: [], rules_version: 0,
  };
}

/** The same table in the same engine, filled through the client's ordinary insert of objects. */
export async function openNaiveStore(dataDir: string, keepsRaw: boolean) {
  const engine = await openEmbedded(join(dataDir, 'store'));
  await migrate(engine);
  if (keepsRaw) await engine.command('ALTER TABLE kw.events ADD COLUMN raw String');
  const client = createClient({
    connection: createChdbConnection({ path: join(dataDir, 'store') }) as never,
  });
  await client.command({ query: 'SET async_insert = 0' });
  return {
    insert: (values: object[]) => client.insert({ table: 'kw.events', values, format: 'JSONEachRow' }),
    count: async () => Number((await engine.rows('SELECT count() AS n FROM kw.events'))[0]?.n),
    async close() {
      await client.close();
      await engine.close();
    },
  };
}
