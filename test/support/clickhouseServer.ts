/**
 * Stands in for a ClickHouse server where none can run: a process of its own that holds the embedded engine (chDB,
 * the same SQL engine) and speaks so much of ClickHouse's HTTP interface as @clickhouse/client uses. It is test
 * equipment and NOT a server: it has no users, no grants (the answer to SHOW GRANTS is given to it), no memory of
 * its own for running queries, and what a real server does beyond the engine (its HTTP layer, its access control,
 * its own timeouts) is imitated, not tested. What the tests with it show: our program over real HTTP and several
 * processes on one store, and what it does when that store is ill.
 *
 *   clickhouseServer.ts DIR PORT CONTROLPORT
 *
 * The control port takes faults as JSON (`Fault` in clickhouse.ts) and answers with the number of statements seen.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { drainPending, Session } from 'chdb';
import type { Fault } from './clickhouse.ts';

const [directory = '', port = '', controlPort = ''] = process.argv.slice(2);
const spool = join(directory, 'spool');
mkdirSync(spool, { recursive: true, mode: 0o700 });
const store = join(directory, 'store');
// Engine options are taken only from the process's first session.
const holder = new Session(store, {
  connectionArgs: [
    '--max_server_memory_usage=900000000',
    '--mark_cache_size=67108864',
    '--background_pool_size=2',
  ],
});

let fault: Fault = { kind: 'none' };
let faultsLeft = 0;
let grants = '';
let finalGrants: string | undefined;
let accountReadOnly = 0;
let statements = 0;
const sockets = new Set<Socket>();

/** What the client's HTTP layer says and the engine has no setting for. */
const httpOnly = new Set([
  'query',
  'query_id',
  'database',
  'session_id',
  'default_format',
  'wait_end_of_query',
]);

class Refused extends Error {
  readonly code: number;
  constructor(code: number, type: string, text: string) {
    super(`Code: ${code}. DB::Exception: ${text}. (${type}) (version 26.7.2.1)`);
    this.code = code;
  }
}

/** The statement to run, and what to do when it ran: a body of rows travels through a file. */
async function statementOf(url: URL, body: Buffer): Promise<{ sql: string; done: () => void }> {
  const query = url.searchParams.get('query');
  if (query === null) return { sql: body.toString(), done: () => {} };
  if (body.length === 0) return { sql: query, done: () => {} };
  const insert =
    /^(INSERT INTO (\S+) \((.*?)\)) (SETTINGS .*?)(?: SELECT \* FROM input\('((?:[^'\\]|\\.)*)'\)(.*?))? FORMAT RowBinary$/s.exec(
      query,
    );
  if (insert === null)
    throw new Refused(48, 'NOT_IMPLEMENTED', 'This stand-in takes rows as INSERT … FORMAT RowBinary only');
  // What is run below is not what was sent: the engine's own parser says that this was its language.
  await run(`EXPLAIN AST ${query}`, new URLSearchParams());
  const [, into, table = '', columns = '', settings, given, condition = ''] = insert;
  const structure = given ?? (await structureOf(table, columns));
  const file = join(spool, randomBytes(8).toString('hex'));
  writeFileSync(file, body, { mode: 0o600 });
  const sql = `${into} ${settings} SELECT * FROM file('${file}', RowBinary, '${structure}')${condition}`;
  return { sql, done: () => rmSync(file, { force: true }) };
}

async function structureOf(table: string, columns: string): Promise<string> {
  const described = await run(`DESCRIBE TABLE ${table} FORMAT JSONEachRow`, new URLSearchParams());
  const types = new Map(
    described
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { name: string; type: string })
      .map(({ name, type }) => [name, type]),
  );
  const named = columns.split(',').map((name) => name.trim().replaceAll('`', ''));
  return named
    .map((name) => `\`${name}\` ${types.get(name)}`)
    .join(', ')
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'");
}

/** One statement on a session of its own: settings and parameters of the request end with it. */
async function run(sql: string, parameters: URLSearchParams): Promise<Buffer> {
  const session = new Session(store);
  try {
    if (accountReadOnly > 0) await session.queryAsync(`SET readonly = ${accountReadOnly}`);
    const database = parameters.get('database');
    if (database !== null) await session.queryAsync(`USE ${database}`);
    const given = [...parameters].filter(([name]) => !httpOnly.has(name));
    // `readonly` last: it refuses every later SET.
    given.sort(([a], [b]) => Number(a === 'readonly') - Number(b === 'readonly'));
    for (const [name, value] of given) {
      await session.queryAsync(`SET ${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`);
    }
    const result = await session.queryAsync(sql, {
      format: parameters.get('default_format') ?? 'TabSeparated',
    });
    return Buffer.from(result.bytes());
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Refused(Number(/Code: (\d+)/.exec(text)?.[1] ?? 1002), 'X', text);
  } finally {
    session.close();
  }
}

/** The fault for this statement; it is spent when its number is. */
function faultFor(sql: string): Fault {
  if (fault.kind === 'none' || (fault.match !== undefined && !new RegExp(fault.match, 's').test(sql)))
    return { kind: 'none' };
  const now = fault;
  if (faultsLeft > 0 && --faultsLeft === 0) fault = { kind: 'none' };
  return now;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://front');
  if (url.pathname === '/ping') return void response.end('Ok.\n');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { sql, done } = await statementOf(url, Buffer.concat(chunks));
  statements++;
  const now = faultFor(sql);
  try {
    const isWrite = /^\s*(INSERT|CREATE|ALTER|DROP)/i.test(sql);
    if (now.kind === 'read-only' && isWrite)
      throw new Refused(242, 'TABLE_IS_READ_ONLY', 'Table is in readonly mode');
    if (now.kind === 'refuse') throw new Refused(241, 'MEMORY_LIMIT_EXCEEDED', 'Memory limit exceeded');
    if (now.kind === 'slow') await sleep(now.delayMs ?? 1_000);
    if (now.kind === 'late') {
      // The client is left without an answer at once; the statement runs all the same, later.
      request.socket.destroy();
      await sleep(now.delayMs ?? 1_000);
    }
    const isGrants = /^\s*SHOW GRANTS/i.test(sql);
    const bytes = isGrants
      ? Buffer.from(grantRows(/FINAL/.test(sql) ? (finalGrants ?? grants) : grants))
      : await run(sql, url.searchParams);
    if (now.kind === 'answer-lost') return void request.socket.destroy();
    if (now.kind === 'hang') return;
    response.setHeader('X-ClickHouse-Query-Id', url.searchParams.get('query_id') ?? '');
    response.setHeader('X-ClickHouse-Summary', '{}');
    response.end(bytes);
  } finally {
    done();
  }
}

function grantRows(lines: string): string {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${JSON.stringify({ GRANTS: line })}\n`)
    .join('');
}

function refuse(response: ServerResponse, error: unknown): void {
  const code = error instanceof Refused ? error.code : 1002;
  if (response.headersSent || response.destroyed) return;
  // As the server says it: the text is the body, the number a header.
  response.writeHead(500, { 'X-ClickHouse-Exception-Code': String(code), 'Content-Type': 'text/plain' });
  response.end(error instanceof Error ? error.message : String(error));
}

// The statement travels in the URL: Node's default of 16 KiB for it is less than the server's megabyte.
const front: Server = createServer({ maxHeaderSize: 1024 * 1024 }, (request, response) => {
  answer(request, response).catch((error: unknown) => refuse(response, error));
});
front.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
});

const listening = (server: Server, at: number) =>
  new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));

async function control(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  if (text !== '') {
    const wanted = JSON.parse(text) as Fault;
    if (wanted.grants !== undefined) {
      grants = wanted.grants;
      finalGrants = wanted.finalGrants;
    }
    accountReadOnly = wanted.accountReadOnly ?? accountReadOnly;
    if (fault.kind === 'down' && wanted.kind !== 'down') await listening(front, Number(port));
    if (fault.kind !== 'down' && wanted.kind === 'down') {
      front.close();
      for (const socket of sockets) socket.destroy();
    }
    fault = wanted;
    faultsLeft = wanted.times ?? 0;
  }
  return JSON.stringify({ statements, fault });
}

const switches = createServer((request, response) => {
  control(request).then(
    (text) => response.end(text),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});

await listening(front, Number(port));
await listening(switches, Number(controlPort));
process.once('SIGTERM', async () => {
  front.close();
  switches.close();
  for (const socket of sockets) socket.destroy();
  holder.close();
  await drainPending();
  process.exit(0);
});
