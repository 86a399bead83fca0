import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeywitnessError } from '../../src/core/errors.ts';
import { migrate } from '../../src/store/migrate.ts';
import { defaultReadLimits, readOnlyQuery } from '../../src/store/readOnly.ts';
import { writeEvents, writeRecords } from '../../src/store/writer.ts';
import { openTestStore, record, recordRow, storedEvent, type TestStore } from './support.ts';

const canaryValue = 'CANARY-hvs.CAESIJ7';
let store: TestStore;
let canaryFile: string;

beforeAll(async () => {
  store = await openTestStore();
  await migrate(store.engine);
  const key = Buffer.from('CANARY-key');
  const headers = [[Buffer.from('trace'), Buffer.from('CANARY-header')]] as const;
  await writeRecords(store.engine, [
    recordRow(record(0n, canaryValue, { key, headers })),
    recordRow(record(1n, canaryValue, { key, headers })),
  ]);
  await writeEvents(store.engine, [storedEvent(0n, { format: 'vault-json' }), storedEvent(1n)]);
  await store.engine.command('CREATE VIEW kw.peek AS SELECT stream, value AS innocent FROM kw.records');
  await store.engine.command('CREATE VIEW kw.peek_again AS SELECT innocent AS harmless FROM kw.peek');
  await store.engine.command(
    'CREATE VIEW kw.counts AS SELECT source, count() AS n FROM kw.events GROUP BY source',
  );
  canaryFile = join(store.directory, 'canary.txt');
  writeFileSync(canaryFile, 'CANARY-of-the-host\n');
});
afterAll(() => store.close());

const ask = (sql: string, isRawAllowed = false) =>
  readOnlyQuery(store.engine, sql, { format: 'JSONEachRow', isRawAllowed });

async function refusal(sql: string, isRawAllowed = false): Promise<string> {
  try {
    return `ANSWERED ${await ask(sql, isRawAllowed)}`;
  } catch (error) {
    if (!(error instanceof KeywitnessError)) throw error;
    return error.message;
  }
}

describe('an ordinary question is answered', () => {
  it.each([
    ['SELECT count() AS n FROM kw.events', '{"n":2}\n'],
    ['select count() as n from events;', '{"n":2}\n'],
    ['WITH e AS (SELECT * FROM kw.events) SELECT count() AS n FROM e -- words', '{"n":2}\n'],
    [
      "SELECT ';', 'SETTINGS', 'INTO OUTFILE' AS x /* ; SETTINGS /* nested */ */",
      `{"';'":";","'SETTINGS'":"SETTINGS","x":"INTO OUTFILE"}\n`,
    ],
    [
      'SELECT format, count() AS n FROM kw.events GROUP BY format ORDER BY format DESC',
      '{"format":"vault-json","n":1}\n{"format":"","n":1}\n',
    ],
    ['SELECT n FROM kw.counts', '{"n":2}\n'],
    ['SELECT sum(number) AS s FROM numbers(4)', '{"s":6}\n'],
    ["SELECT a FROM VALUES('a UInt8', 1, 2) ORDER BY a", '{"a":1}\n{"a":2}\n'],
    ['SELECT max(offset) AS m, stream FROM kw.records GROUP BY stream', '{"m":1,"stream":"test.audit"}\n'],
    [
      'SELECT e.source AS s FROM kw.events AS e JOIN kw.records AS r ON e.offset = r.offset LIMIT 1',
      '{"s":"vault"}\n',
    ],
    ['SELECT arrayMap(x -> x + 1, [1]) AS a, if(1 > 2, 3, 4) AS b, 1.5e3 AS c', '{"a":[2],"b":4,"c":1500}\n'],
    [
      "SELECT name FROM system.columns WHERE database = 'kw' AND table = 'events' AND name = 'idx'",
      '{"name":"idx"}\n',
    ],
  ])('%s', async (sql, answer) => {
    expect(await ask(sql)).toBe(answer);
  });

  it.each([
    'SHOW TABLES',
    'SHOW FULL TABLES FROM kw',
    'SHOW CREATE TABLE kw.events',
    'DESCRIBE kw.events',
    'DESC TABLE events',
    'EXPLAIN SELECT 1',
    'EXPLAIN QUERY TREE passes = 1 SELECT 1',
    'EXPLAIN indexes = 1, actions = 0 SELECT count() FROM kw.events',
  ])('%s', async (sql) => {
    expect(await ask(sql)).not.toBe('');
  });

  it('raw bytes are read when they are asked for', async () => {
    expect(await ask('SELECT value FROM kw.records WHERE offset = 0', true)).toContain(canaryValue);
  });

  it('errors of the question come back as the engine words them, with exit code 2', async () => {
    const error = await ask('SELECT sourse FROM kw.events').catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'KW_QUERY_FAILED', exit: 2 });
    expect(String(error)).toContain('sourse');
  });
});

describe('what is not one reading statement is refused', () => {
  it.each([
    ['', 'It is empty'],
    [' ; ', 'It is empty'],
    ['DROP TABLE kw.events', 'starts with DROP'],
    ['INSERT INTO kw.events SELECT * FROM kw.events', 'INTO at 1:8'],
    ['SELECT 1; DROP TABLE kw.events', '";" at 1:9'],
    ['SELECT 1;;', '";" at 1:9'],
    ['SELECT 1\n; -- x\nSELECT 2', '";" at 2:1'],
    ["SELECT 1 INTO OUTFILE '/nowhere'", 'INTO at 1:10'],
    ["SELECT 1 into/**/outfile '/nowhere' TRUNCATE", 'INTO at 1:10'],
    ['SELECT 1 FORMAT CSV', 'FORMAT at 1:10'],
    ['SELECT 1 format\n"CSV"', 'FORMAT at 1:10'],
    ['SELECT 1 SETTINGS readonly = 0', 'SETTINGS at 1:10'],
    ['SELECT * FROM (SELECT 1 settings readonly=0)', 'SETTINGS at 1:25'],
    ['EXPLAIN INSERT INTO kw.events SELECT 1', 'INTO'],
    ['EXPLAIN ANALYZE SELECT 1', 'EXPLAIN is taken of'],
    ['EXPLAIN AST DROP TABLE kw.events', 'EXPLAIN is taken of'],
    ['DESCRIBE (SELECT 1)', 'DESCRIBE is taken of'],
    ["DESCRIBE file('/etc/hostname')", 'DESCRIBE is taken of'],
    ['DESCRIBE default.`hosts`', 'DESCRIBE is taken of'],
    ['SHOW TABLES FROM default', 'Database default'],
    ['SHOW TABLES WHERE name IN (SELECT value FROM kw.records)', '"("'],
    ['SHOW PROCESSLIST', 'SHOW is taken of'],
    ['SELECT 1 PARALLEL WITH SELECT 2', 'PARALLEL'],
    ['SELECT $$a$$', 'heredocs'],
    ['SELECT $x$; DROP TABLE kw.events $x$', 'heredocs'],
    ['SELECT 1 # comment', '"#"'],
    ['SELECT 1 // comment', '"//"'],
    ['SELECT 1 /* open /* nested */', 'not closed'],
    ["SELECT 'open", 'not closed'],
    ["SELECT 'a\\'", 'not closed'],
    ['SELECT "a\\x62"', 'not closed'],
    ['SELECT ‘abc’', 'U+2018'],
    ['SELECT 5 − 3', 'U+2212'],
    ['SELECT 1e--5', 'sign without an exponent'],
    ["SELECT x'4g'", 'not hexadecimal'],
    ['SELECT {a:String}', 'parameters'],
    ['SELECT 1\0', 'NUL'],
    ['SYSTEM STOP MERGES', 'starts with SYSTEM'],
    ["BACKUP DATABASE kw TO File('x')", 'starts with BACKUP'],
    ['SET readonly = 0', 'starts with SET'],
    ['KILL QUERY WHERE 1', 'starts with KILL'],
    ['(SELECT 1)', 'starts with ('],
  ])('%j', async (sql, reason) => {
    const said = await refusal(sql);
    expect(said).toContain('KW_QUERY_REFUSED');
    expect(said).toContain(reason);
  });

  it('a text longer than the engine reads is refused, not cut', async () => {
    expect(await refusal(`SELECT 1 /*${' '.repeat(300_000)}*/`)).toContain('longer than');
  });
});

describe('the host is out of reach, with --raw too', () => {
  const host = [
    'SELECT * FROM file("FILE")',
    "SELECT * FROM file('FILE', TSV, 'a String')",
    "SELECT * FROM `file`('FILE')",
    'SELECT * FROM "file"/* */(\'FILE\')',
    "SELECT * FROM FILE('FILE')",
    'SELECT * FROM default.`FILE`',
    'SELECT * FROM `default`.`FILE`',
    'SELECT * FROM `FILE`',
    "SELECT * FROM 'FILE'",
    "SELECT * FROM default.'FILE'",
    'SELECT * FROM numbers(1), default.`FILE`',
    "SELECT 1 WHERE 'x' IN default.`FILE`",
    "SELECT 1 WHERE 'x' IN (SELECT * FROM default.`FILE`)",
    "WITH t AS (SELECT * FROM file('FILE')) SELECT * FROM t",
    "SELECT (SELECT * FROM file('FILE') LIMIT 1)",
    "SELECT * FROM view(SELECT * FROM file('FILE'))",
    "SELECT file('FILE')",
    "SELECT * REPLACE (file('FILE') AS source) FROM kw.events",
    'SELECT source APPLY(file) FROM kw.events',
    "SELECT hasColumnInTable('default', 'FILE', 'CANARY')",
    "SELECT * FROM url('file://FILE', TSV, 'a String')",
    "SELECT * FROM executable('cat FILE', TSV, 'a String')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM merge('kw', 'records')",
    "SELECT * FROM remote('127.0.0.1', kw.events)",
    "SELECT * FROM s3('http://127.0.0.1:1/x')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM sqlite('FILE', 't')",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM cluster('default', kw.events)",
    'SELECT * FROM loop(kw.events) LIMIT 1',
    "SELECT * FROM filesystem('FILE')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM fuzzQuery('SELECT 1') LIMIT 1",
    "EXPLAIN SELECT * FROM file('FILE')",
    "EXPLAIN AST SELECT * FROM file('FILE')",
    "SELECT catboostEvaluate('FILE', 1.0)",
    "SELECT dictGet('d', 'a', 1)",
    "SELECT getServerSetting('max_connections')",
    'SELECT hostName()',
    'SELECT displayName()',
    "SELECT getMacro('x')",
    'SELECT sleep(3)',
    'SELECT arrayMap(x -> sleep(1), [1])',
    "SELECT logTrace('x')",
    'SELECT showCertificate()',
    'SELECT * FROM system.stack_trace',
    'SELECT * FROM system.processes',
    'SELECT * FROM information_schema.tables',
  ];
  it.each(host)('%s', async (sql) => {
    const said = await refusal(sql.replaceAll('FILE', canaryFile), true);
    expect(said).toMatch(/^KW_QUERY_(REFUSED|FAILED)/);
    expect(said).not.toContain('CANARY-of');
  });

  it.each(host.filter((sql) => sql.includes('default') && sql.includes('.`')))(
    'is refused before the engine looks a name up: %s',
    async (sql) => {
      expect(await refusal(sql.replaceAll('FILE', canaryFile), true)).toContain('a file of the host');
    },
  );

  it('every table function of this engine is refused, but the few that make rows of their arguments', async () => {
    const all = (await store.engine.rows("SELECT name FROM system.table_functions WHERE name != ''")).map(
      (r) => String(r.name),
    );
    expect(all.length).toBeGreaterThan(60);
    const allowed = new Set([
      'numbers',
      'numbers_mt',
      'zeros',
      'zeros_mt',
      'generateSeries',
      'generate_series',
      'primes',
      'values',
      'SQLStandardValues',
    ]);
    for (const name of all.filter((n) => !allowed.has(n))) {
      expect(await refusal(`SELECT * FROM ${name}('a', 'b')`), name).toMatch(/KW_QUERY_REFUSED|SYNTAX_ERROR/);
    }
  });
});

describe('raw bytes, keys and headers need --raw', () => {
  it.each([
    'SELECT * FROM kw.records',
    'SELECT r.* FROM kw.records AS r',
    'SELECT value FROM kw.records',
    'SELECT `value` AS stream FROM records',
    'SELECT key FROM kw.records',
    'SELECT headers.1 FROM kw.records',
    'SELECT length(value) FROM kw.records',
    'SELECT value.size FROM kw.records',
    "SELECT COLUMNS('^val') FROM kw.records",
    'SELECT * EXCEPT (key, headers) FROM kw.records',
    "SELECT count() FROM kw.records WHERE value LIKE '%hvs%'",
    'SELECT 1 FROM kw.events ORDER BY (SELECT any(value) FROM kw.records)',
    'SELECT (SELECT value FROM kw.records LIMIT 1)',
    'WITH (SELECT any(value) FROM kw.records) AS v SELECT v',
    'WITH t AS (SELECT * FROM kw.records) SELECT value FROM t',
    'SELECT v FROM (SELECT value AS v FROM kw.records)',
    'SELECT tuple(*) FROM kw.records',
    'SELECT h FROM kw.records ARRAY JOIN headers AS h',
    'SELECT innocent FROM kw.peek',
    'SELECT count() FROM kw.peek_again',
    'SELECT 1 UNION ALL SELECT length(key) FROM kw.records',
    'SELECT source FROM kw.events WHERE source IN (SELECT value FROM kw.records)',
    'SELECT e.source FROM kw.events e JOIN kw.records r ON e.source = r.value',
    'EXPLAIN SELECT value FROM kw.records',
    'EXPLAIN PLAN actions = 1 SELECT (SELECT value FROM kw.records LIMIT 1)',
    "SELECT throwIf(value != '', 'x') FROM kw.records",
    'SELECT any(value) OVER () FROM kw.records',
    'SELECT stream FROM kw.records ORDER BY value LIMIT 1 BY key',
  ])('%s', async (sql) => {
    const said = await refusal(sql);
    expect(said).toMatch(/^KW_QUERY_REFUSED.*--raw/);
    expect(said).not.toContain('CANARY');
  });

  it('an error met while a query is looked at quotes no raw value', async () => {
    // The engine evaluates scalar subqueries while it explains: its own message would say "Cannot parse string 'CANARY…".
    const said = await refusal('SELECT (SELECT toUInt8(value) FROM kw.records LIMIT 1)');
    expect(said).toMatch(/^KW_QUERY_/);
    expect(said).not.toContain('CANARY');
  });
});

describe('the read-only session leaves nothing behind', () => {
  it('the writer still writes after a read-only query', async () => {
    await ask('SELECT 1');
    await store.engine.command('CREATE TABLE kw.after_read (a UInt8) ENGINE = MergeTree ORDER BY a');
    await store.engine.command('INSERT INTO kw.after_read VALUES (1)');
    expect(await store.engine.rows('SELECT a FROM kw.after_read')).toEqual([{ a: 1 }]);
    expect(await store.engine.rows("SELECT value FROM system.settings WHERE name = 'readonly'")).toEqual([
      { value: '0' },
    ]);
    expect(
      await store.engine.rows("SELECT changed FROM system.settings WHERE name = 'max_result_rows'"),
    ).toEqual([{ changed: 0 }]);
    await store.engine.command('DROP TABLE kw.after_read SETTINGS max_table_size_to_drop = 0');
  });

  it.each([
    ['rows', 'SELECT number FROM numbers(11)', { maxResultRows: 10 }],
    ['bytes', 'SELECT repeat(toString(number), 1000) AS x FROM numbers(100)', { maxResultBytes: 10_000 }],
    ['memory', 'SELECT groupArray(number) FROM numbers(20000000)', { maxMemoryBytes: 20_000_000 }],
    ['time', 'SELECT count() FROM numbers(100000000000)', { maxExecutionSeconds: 1 }],
  ])('a query past its limit of %s fails', async (_, sql, limit) => {
    const run = readOnlyQuery(store.engine, sql, {
      format: 'JSONEachRow',
      limits: { ...defaultReadLimits, ...limit },
    });
    await expect(run).rejects.toMatchObject({ code: 'KW_QUERY_FAILED' });
  });

  it('the engine itself refuses writing in that session, should a check ever miss something', async () => {
    for (const sql of [
      'DROP TABLE kw.events',
      'INSERT INTO kw.hits (rule) SELECT 1',
      "SELECT * FROM file('/etc/hostname', TSV, 'a String')",
      'SET readonly = 0',
    ]) {
      await expect(
        store.engine.readOnly(sql, 'TabSeparatedRaw', defaultReadLimits),
        sql,
      ).rejects.toMatchObject({ code: 'KW_STORE' });
    }
  });
});

/** Pieces that have undone read-only sessions before, and pieces that make them hard to see. */
const fragment = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'SELECT',
      '1',
      '*',
      'value',
      'FROM',
      'kw.records',
      'kw.events',
      ',',
      '(',
      ')',
      'AS',
      'x',
      'WITH',
      'EXPLAIN',
      'SHOW',
      'TABLES',
      'DESCRIBE',
      'UNION ALL',
      'WHERE',
      'LIMIT 1',
      'IN',
      '=',
      '[',
      ']',
      'numbers(3)',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "INTO OUTFILE 'CANARY'",
      "INTO OUTFILE 'CANARY' TRUNCATE",
      "INTO OUTFILE 'CANARY' APPEND",
      'SETTINGS readonly = 0',
      'FORMAT CSV',
      '; DROP TABLE kw.events',
      '; TRUNCATE TABLE kw.events',
      'INSERT INTO kw.events',
      "INSERT INTO FUNCTION file('CANARY', TSV, 'a String') SELECT 'x'",
      'ALTER TABLE kw.events DELETE WHERE 1',
      'SET readonly = 0;',
      ';',
      "file('CANARY')",
      'default.`CANARY`',
      "url('file://CANARY')",
      'SYSTEM STOP MERGES',
      "BACKUP DATABASE kw TO File('CANARY.backup')",
      'PARALLEL WITH',
      'DETACH TABLE kw.events',
      'DELETE FROM kw.events WHERE 1',
      'OPTIMIZE TABLE kw.events',
      'RENAME TABLE kw.events TO kw.e',
      'CREATE TABLE kw.t ENGINE = Memory AS SELECT 1',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '--',
      '-- ',
      '\n',
      '/*',
      '*/',
      "'",
      '"',
      '`',
      '\\',
      '$$',
      '$a$',
      '#',
      '#!',
      '//',
      "''",
      "\\'",
      ' ',
      '\r',
      '\u00a0',
      '‘',
      '’',
      '“',
      '”',
      '1e-',
      '1e--',
      "x'",
      "b'",
      '\v',
      '\f',
      '!',
      '0x',
      '.',
      '->',
      '::',
      '{',
      '}',
      '@@',
    ),
  },
);
const nasty = fc
  .tuple(
    fc.constantFrom(
      '',
      'SELECT 1 ',
      'SELECT 1',
      'WITH 1 AS x SELECT x ',
      'EXPLAIN SELECT 1 ',
      'SHOW TABLES ',
      'SELECT * FROM kw.events ',
    ),
    fc.array(fragment, { maxLength: 7 }),
    fc.constantFrom(' ', '', '\n', '/**/'),
  )
  .map(([start, parts, between]) => start + parts.join(between));

describe('no accepted text changes a table or a file', () => {
  it('five hundred nasty texts against the real engine', { timeout: 120_000 }, async () => {
    const before = await checksum();
    const outcomes = { answered: 0, refused: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(nasty, async (text) => {
        const sql = text.replaceAll('CANARY', canaryFile);
        const said = await refusal(sql, true);
        if (said.startsWith('ANSWERED')) outcomes.answered++;
        else if (said.startsWith('KW_QUERY_REFUSED')) outcomes.refused++;
        else outcomes.failed++;
        expect(said).not.toContain('CANARY-of-the-host');
        if (!said.startsWith('KW_QUERY_REFUSED')) expect(await checksum(), sql).toBe(before);
      }),
      { numRuns: 500 },
    );
    // The grammar is worth nothing when everything is refused at the first word.
    expect(outcomes.answered).toBeGreaterThan(25);
    expect(outcomes.failed).toBeGreaterThan(10);
    expect(await checksum()).toBe(before);
  });
});

/** Every row of every table, every setting of the writer and the canary file, in one hash. */
async function checksum(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(canaryFile));
  const tables = await store.engine.rows(
    "SELECT name FROM system.tables WHERE database = 'kw' ORDER BY name",
  );
  for (const { name } of tables) {
    const [row] = await store.engine.rows(
      `SELECT count() AS n, toString(groupBitXor(cityHash64(*))) AS x FROM kw.\`${String(name)}\``,
    );
    hash.update(`${String(name)} ${JSON.stringify(row)}\n`);
  }
  hash.update(
    JSON.stringify(
      await store.engine.rows(
        "SELECT name, value FROM system.settings WHERE name IN ('readonly', 'allow_ddl', 'max_result_rows')",
      ),
    ),
  );
  return hash.digest('hex');
}
