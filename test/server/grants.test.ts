import { describe, expect, it } from 'vitest';
import { excessOf, missingOf, rolesOf } from '../../src/store/grants.ts';

const fixes = (...lines: string[]) => excessOf(lines).map((e) => e.fix);

describe('an account that may do too much is told how to lose it', () => {
  it.each([
    // The administrator the server's image makes.
    [
      'GRANT ALL ON *.* TO keywitness WITH GRANT OPTION',
      ['REVOKE ALL ON *.* FROM keywitness', 'REVOKE GRANT OPTION FOR ALL ON *.* FROM keywitness'],
    ],
    [
      'GRANT SELECT, INSERT, ALTER, DROP TABLE, TRUNCATE ON kw.* TO keywitness',
      [
        'REVOKE ALTER ON kw.* FROM keywitness',
        'REVOKE DROP TABLE ON kw.* FROM keywitness',
        'REVOKE TRUNCATE ON kw.* FROM keywitness',
      ],
    ],
    [
      'GRANT ALTER DELETE ON kw.records TO `key.witness`',
      ['REVOKE ALTER DELETE ON kw.records FROM `key.witness`'],
    ],
    [
      'GRANT SELECT, ALTER UPDATE(value, headers) ON kw.records TO w',
      ['REVOKE ALTER UPDATE ON kw.records FROM w'],
    ],
    [
      'GRANT ALTER DROP COLUMN, ALTER TTL, ALTER MOVE PARTITION ON kw.events TO w',
      [
        'REVOKE ALTER DROP COLUMN ON kw.events FROM w',
        'REVOKE ALTER TTL ON kw.events FROM w',
        'REVOKE ALTER MOVE PARTITION ON kw.events FROM w',
      ],
    ],
    ['GRANT OPTIMIZE ON kw.* TO w', ['REVOKE OPTIMIZE ON kw.* FROM w']],
    ['GRANT DROP TABLE ON k*.* TO w', ['REVOKE DROP TABLE ON k*.* FROM w']],
    [
      'GRANT CREATE USER, ROLE ADMIN ON *.* TO w',
      ['REVOKE CREATE USER ON *.* FROM w', 'REVOKE ROLE ADMIN ON *.* FROM w'],
    ],
    ['GRANT CREATE ROW POLICY ON kw.* TO w', ['REVOKE CREATE ROW POLICY ON kw.* FROM w']],
    ['GRANT SYSTEM ON *.* TO w', ['REVOKE SYSTEM ON *.* FROM w']],
  ])('%s', (line, expected) => {
    expect(fixes(line)).toEqual(expected);
  });

  it.each([
    'GRANT SELECT, INSERT ON kw.* TO keywitness',
    'GRANT SELECT ON system.parts TO keywitness',
    'GRANT SHOW TABLES, SHOW COLUMNS, SELECT(stream, partition), CREATE TEMPORARY TABLE ON *.* TO keywitness',
    'GRANT CREATE DATABASE, CREATE TABLE ON kw.* TO keywitness',
    // Other people's tables are none of ours.
    'GRANT ALTER, DROP TABLE, TRUNCATE ON billing.* TO keywitness',
    'GRANT ALTER DELETE ON `kw.old`.* TO keywitness',
    'GRANT keywitness_writer TO keywitness',
    '',
  ])('but not: %s', (line) => {
    expect(fixes(line)).toEqual([]);
  });

  it('a right that was taken back for the whole database is none, one taken back for a table is', () => {
    const given = 'GRANT SELECT, DROP TABLE ON *.* TO w';
    expect(fixes(given, 'REVOKE DROP TABLE ON kw.* FROM w')).toEqual([]);
    expect(fixes(given, 'REVOKE DROP TABLE ON kw.records FROM w')).toEqual([
      'REVOKE DROP TABLE ON *.* FROM w',
    ]);
    expect(fixes(given, 'REVOKE DROP TABLE ON other.* FROM w')).toEqual(['REVOKE DROP TABLE ON *.* FROM w']);
  });

  it('and says why, in the same words for the same danger', () => {
    expect(excessOf(['GRANT ALTER DELETE, DELETE ON kw.* TO w']).map((e) => e.why)).toEqual([
      'it may delete or change stored rows',
      'it may delete or change stored rows',
    ]);
  });
});

describe('an account that may do too little', () => {
  const tables = ['records', 'events'];
  it.each<[string[], string[]]>([
    [['GRANT SELECT, INSERT ON kw.* TO w'], []],
    [['GRANT ALL ON *.* TO w'], []],
    [['GRANT SELECT ON kw.* TO w', 'GRANT INSERT ON kw.records TO w'], ['GRANT INSERT ON kw.events TO w']],
    [[], ['GRANT SELECT, INSERT ON kw.records TO w', 'GRANT SELECT, INSERT ON kw.events TO w']],
    // A right on some columns is not one on the table.
    [
      ['GRANT SELECT(stream), INSERT ON kw.* TO w'],
      ['GRANT SELECT ON kw.records TO w', 'GRANT SELECT ON kw.events TO w'],
    ],
    [
      ['GRANT SELECT, INSERT ON *.* TO w', 'REVOKE SELECT ON kw.events FROM w'],
      ['GRANT SELECT ON kw.events TO w'],
    ],
  ])('%s', (lines, expected) => {
    expect(missingOf(lines, tables, 'w')).toEqual(expected);
  });
});

it('roles are told from privileges', () => {
  const lines = [
    'GRANT SELECT ON kw.* TO w',
    'GRANT keywitness_writer, `odd role` TO w',
    'GRANT admin TO `a b` WITH ADMIN OPTION',
  ];
  expect(rolesOf(lines)).toEqual(['keywitness_writer', '`odd role`', 'admin']);
});
