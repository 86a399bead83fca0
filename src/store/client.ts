import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { drainPending, Session } from 'chdb';
import { createChdbConnection } from 'chdb/connection';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import type { Column } from './columns.ts';
import type { RowBinaryWriter } from './rowBinary.ts';

export type Params = Readonly<
  Record<string, string | number | boolean | bigint | readonly (string | number)[]>
>;

/**
 * The store's engine: embedded (chDB) or a ClickHouse server, through the same client.
 * Settings stand in the statement, never in `clickhouse_settings`: in the embedded engine those become SET
 * on the one session and stay (docs/store.md).
 */
export interface Engine {
  /** For messages: `embedded store in DIR` or the server's URL without credentials. */
  readonly where: string;
  /** A server: other processes write to it too, and an answer can get lost on its way. */
  readonly isShared: boolean;
  /** Rows of one SELECT; 64-bit integers that may pass 2^53 must be cast to String in the SQL. */
  rows(sql: string, params?: Params): Promise<Record<string, unknown>[]>;
  /** RowBinary bytes of one SELECT, as they come: for results that must not be held whole. Ends with the loop. */
  bytes(sql: string, params?: Params): AsyncGenerator<Buffer>;
  command(sql: string): Promise<void>;
  /**
   * One INSERT of RowBinary bytes as one block. The same token twice adds nothing. `condition` (SQL) chooses among
   * the rows and is looked at by the engine as it inserts, not before.
   */
  insert<Row>(
    table: string,
    columns: readonly Column<Row>[],
    rows: RowBinaryWriter,
    token: string,
    condition?: string,
  ): Promise<void>;
  /**
   * One statement that readOnly.ts accepted, on a session of its own under limits and `readonly = 1`; names
   * without a database are tables of `kw`. Nothing set here outlives the call.
   */
  readOnly(sql: string, format: ReadFormat, limits: ReadLimits): Promise<string>;
  close(): Promise<void>;
}

export type ReadFormat = 'JSONEachRow' | 'CSVWithNames' | 'TabSeparatedWithNames' | 'TabSeparatedRaw';

export interface ReadLimits {
  readonly maxExecutionSeconds: number;
  readonly maxResultRows: number;
  readonly maxResultBytes: number;
  readonly maxMemoryBytes: number;
}

/** Limits, and paths printed as paths: JSON needs no `\/`. */
function limitSettings(limits: ReadLimits): Record<string, string> {
  return {
    max_execution_time: String(limits.maxExecutionSeconds),
    max_result_rows: String(limits.maxResultRows),
    max_result_bytes: String(limits.maxResultBytes),
    max_memory_usage: String(limits.maxMemoryBytes),
    result_overflow_mode: 'throw',
    allow_ddl: '0',
    allow_introspection_functions: '0',
    output_format_json_escape_forward_slashes: '0',
  };
}

export interface ServerOptions {
  readonly url: string;
  readonly user: string;
  readonly password: Secret;
  /** How long an answer is waited for; the default leaves a slow server time. */
  readonly requestTimeoutMs?: number;
}

const requestTimeoutDefaultMs = 30_000;
/**
 * An insert whose answer got lost is sent again, with its token: the engine drops the second of the two, whichever
 * that is. More often than this the flush as a whole begins again (docs/store.md, "On a server").
 */
const insertAttempts = 3;
const insertPauseMs = 200;

type Client = ReturnType<typeof createClient>;

/** One block whatever the size (an atomic part), on one thread: order of insertion is kept. */
function insertSettings(token: string): string {
  return (
    `async_insert = 0, insert_deduplicate = 1, insert_deduplication_token = '${token}', max_threads = 1, max_insert_threads = 1, ` +
    'max_insert_block_size = 2000000, min_insert_block_size_rows = 2000000, min_insert_block_size_bytes = 0'
  );
}

/**
 * Memory: 900 MB engine cap leaves room for Node under 1 GiB; two merge threads on two cores; drops need an
 * explicit setting, so that a stray DROP fails (docs/store.md).
 */
const embeddedArguments = [
  '--max_server_memory_usage=900000000',
  '--mark_cache_size=67108864',
  '--background_pool_size=2',
  '--max_table_size_to_drop=1',
  '--max_partition_size_to_drop=1',
];

export async function openEmbedded(directory: string): Promise<Engine> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  sweepSpool();
  // Engine options are taken only from the process's first session: hold one open for as long as the store is.
  const holder = new Session(directory, { connectionArgs: embeddedArguments });
  // The two packages carry their own copies of one interface, equal but for optional-property strictness.
  const connect = (): Client =>
    createClient({ connection: createChdbConnection({ path: directory }) as never });
  // A session runs one query at a time: readers must not wait for the writer.
  const writer = connect();
  const reader = connect();
  const where = `embedded store in ${directory}`;
  return {
    where,
    isShared: false,
    rows: (sql, params) => guarded(where, () => selectRows(reader, sql, params)),
    bytes: (sql, params) => streamEmbedded(directory, where, sql, params),
    command: (sql) => guarded(where, async () => void (await writer.command({ query: sql }))),
    insert: (table, columns, rows, token, condition) =>
      guarded(where, async () => {
        const file = spoolFile();
        writeFileSync(file, rows.bytes(), { mode: 0o600, flag: 'wx' });
        try {
          await writer.command({
            query:
              `INSERT INTO ${table} (${names(columns)}) SETTINGS ${insertSettings(token)} ` +
              `SELECT * FROM file('${quoted(file)}', RowBinary, '${quoted(structure(columns))}')${whereClause(condition)}`,
          });
        } finally {
          rmSync(file, { force: true });
        }
      }),
    readOnly: (sql, format, limits) =>
      guarded(where, async () => {
        const session = connect();
        try {
          // In the embedded engine the database `default` is the host's file system (docs/store.md).
          await session.command({ query: 'USE kw' });
          const assignments = Object.entries(limitSettings(limits)).map(
            ([name, value]) => `${name} = '${value}'`,
          );
          await session.command({ query: `SET ${assignments.join(', ')}` });
          await session.command({ query: 'SET readonly = 1' });
          return await (await session.query({ query: sql, format })).text();
        } finally {
          await session.close();
        }
      }),
    async close() {
      await writer.close();
      await reader.close();
      holder.close();
      await drainPending();
    },
  };
}

export async function openServer(options: ServerOptions): Promise<Engine> {
  const client = createClient({
    url: options.url,
    username: options.user,
    password: options.password.reveal(),
    request_timeout: options.requestTimeoutMs ?? requestTimeoutDefaultMs,
    // It writes its own lines for what we tell in ours.
    log: { level: ClickHouseLogLevel.OFF },
  });
  const where = new URL(options.url).origin;
  return {
    where,
    isShared: true,
    rows: (sql, params) => guarded(where, () => selectRows(client, sql, params)),
    bytes: (sql, params) => streamServer(client, where, sql, params),
    command: (sql) => guarded(where, async () => void (await client.command({ query: sql }))),
    insert: (table, columns, rows, token, condition) => {
      const from =
        condition === undefined
          ? ''
          : ` SELECT * FROM input('${quoted(structure(columns))}')${whereClause(condition)}`;
      const query = `INSERT INTO ${table} (${names(columns)}) SETTINGS ${insertSettings(token)}${from} FORMAT RowBinary`;
      return asOftenAs(insertAttempts, () =>
        guarded(where, async () => {
          const values = Readable.from([rows.bytes()], { objectMode: false });
          const { stream } = await client.exec({ query, values });
          stream.resume();
        }),
      );
    },
    readOnly: (sql, format, limits) =>
      guarded(where, async () => {
        // Over HTTP settings are the request's own and end with it. An account that is read-only already may not set
        // `readonly` again, and with 1 sets nothing: then its limits are the administrator's.
        const [now] = await selectRows(client, "SELECT getSetting('readonly') AS level");
        const level = Number(now?.level);
        const settings = level === 1 ? {} : limitSettings(limits);
        const session = createClient({
          url: options.url,
          username: options.user,
          password: options.password.reveal(),
          database: 'kw',
          log: { level: ClickHouseLogLevel.OFF },
          clickhouse_settings: { ...settings, ...(level === 0 ? { readonly: '1' } : {}) },
        });
        try {
          return await (await session.query({ query: sql, format })).text();
        } finally {
          await session.close();
        }
      }),
    close: () => client.close(),
  };
}

async function selectRows(client: Client, sql: string, params?: Params): Promise<Record<string, unknown>[]> {
  const result = await client.query({
    query: sql,
    format: 'JSONEachRow',
    ...(params === undefined ? {} : { query_params: params }),
  });
  return result.json<Record<string, unknown>>();
}

/** A session of its own: a stream holds it from the first row to the last. The engine waits while nobody reads. */
async function* streamEmbedded(
  directory: string,
  where: string,
  sql: string,
  params: Params = {},
): AsyncGenerator<Buffer> {
  const session = new Session(directory);
  try {
    const stream = session.queryStreamBind(sql, params, { format: 'RowBinary' });
    for await (const chunk of stream) {
      const bytes = chunk.raw();
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
  } catch (error) {
    // This path of the binding has no typed errors: the engine's text is all there is.
    const [, code, text, type] =
      /^Code: (\d+)\. DB::Exception: (.*?)(?:\s*\(([A-Z_]+)\))?\s*$/s.exec(
        error instanceof Error ? error.message : '',
      ) ?? [];
    if (code === undefined) throw error;
    throw storeError(where, type ?? 'ERROR', code, text ?? '', error);
  } finally {
    session.close();
  }
}

async function* streamServer(
  client: Client,
  where: string,
  sql: string,
  params?: Params,
): AsyncGenerator<Buffer> {
  const { stream } = await guarded(where, () =>
    client.exec({
      query: `${sql} FORMAT RowBinary`,
      ...(params === undefined ? {} : { query_params: params }),
    }),
  );
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } finally {
    stream.destroy();
  }
}

/** Again when no answer came; what the server refused, it refuses again. */
async function asOftenAs<T>(attempts: number, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const isUnanswered = error instanceof KeywitnessError && networkFault(error.cause) !== undefined;
      if (!isUnanswered || attempt >= attempts) throw error;
      await systemClock.sleep(insertPauseMs * attempt);
    }
  }
}

/** Why no answer came; undefined for whatever the server said itself. */
function networkFault(error: unknown): string | undefined {
  if (!(error instanceof Error) || 'type' in error) return undefined;
  // The client's own timeout has no code.
  if (error.message === 'Timeout error.') return 'no answer in time';
  const isCoded = 'code' in error && typeof error.code === 'string' && /^E[A-Z_]+$/.test(error.code);
  return isCoded ? String(error.code) : undefined;
}

/** Store errors say where, and which engine error; the statement's data never travels in the message. */
async function guarded<T>(where: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const fault = networkFault(error);
    if (fault === 'ENOSPC') {
      throw new KeywitnessError('KW_STORE', `${spoolFolder} is full (${fault}).${makeRoom}`, {
        cause: error,
      });
    }
    if (fault !== undefined) {
      throw new KeywitnessError('KW_STORE', `${where} cannot be reached (${fault}).`, { cause: error });
    }
    // Both copies of ClickHouseError have a numeric code and a type.
    if (!(error instanceof Error) || !('type' in error) || !('code' in error)) throw error;
    throw storeError(where, String(error.type), String(error.code), error.message, error);
  }
}

const makeRoom = ' Make room on its disk: what was not taken is delivered again.';

function storeError(
  where: string,
  type: string,
  code: string,
  message: string,
  cause: unknown,
): KeywitnessError {
  const text = message.split('\n')[0]?.slice(0, 400) ?? '';
  const isFull = type === 'NOT_ENOUGH_SPACE' || message.includes('No space left on device');
  const advice = isFull ? makeRoom : '';
  return new KeywitnessError('KW_STORE', `${where} answered ${type} (${code}): ${text}${advice}`, { cause });
}

function whereClause(condition: string | undefined): string {
  return condition === undefined ? '' : ` WHERE ${condition}`;
}

function names(columns: readonly Column<never>[]): string {
  return columns.map((c) => `\`${c.name}\``).join(', ');
}

function structure(columns: readonly Column<never>[]): string {
  return columns.map((c) => `\`${c.name}\` ${c.type}`).join(', ');
}

function quoted(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/'/g, "\\'");
}

/** Memory-backed where the system has it: the bytes are on their way, not meant to stay. */
const spoolFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function spoolFile(): string {
  return join(spoolFolder, `keywitness-${process.pid}-${randomBytes(8).toString('hex')}.rowbinary`);
}

/** What a process killed in the middle of an insert left behind: raw records, which nobody else would remove. */
function sweepSpool(): void {
  for (const name of readdirSync(spoolFolder)) {
    const pid = /^keywitness-(\d+)-[0-9a-f]{16}\.rowbinary$/.exec(name)?.[1];
    if (pid !== undefined && !isProcess(Number(pid))) rmSync(join(spoolFolder, name), { force: true });
  }
}

function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
