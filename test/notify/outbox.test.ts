import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createNotifiers } from '../../src/notify/registry.ts';
import { messageOf, rollupOf } from './messages.ts';

const deps = { clock: systemClock, command: 'npx keywitness' };
let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'kw-outbox-')), 'outbox');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

const files = () => readdirSync(folder).sort();
const inodes = () => files().map((f) => statSync(join(folder, f)).ino);

test('without token and server, what would have been sent lies in the outbox, for its owner only', async () => {
  const notifiers = await createNotifiers({}, folder, deps);
  for (const n of notifiers) await n.send(messageOf());
  expect(files()).toEqual([
    '2026-07-15T0912-high-0123456789abcdef.eml',
    '2026-07-15T0912-high-0123456789abcdef.slack.json',
  ]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const f of files()) expect(statSync(join(folder, f)).mode & 0o777).toBe(0o600);
  const mail = await simpleParser(readFileSync(join(folder, files()[0] ?? '')));
  expect(mail.date?.toISOString()).toBe('2026-07-15T09:40:00.000Z');
  expect(JSON.parse(readFileSync(join(folder, files()[1] ?? ''), 'utf8')).blocks[0].type).toBe('header');
});

test('the same message again writes nothing, in this run and in the next', async () => {
  for (const n of await createNotifiers({}, folder, deps)) await n.send(messageOf());
  const before = inodes();
  for (const n of await createNotifiers({}, folder, deps)) await n.send(messageOf());
  expect(inodes()).toEqual(before);
});

test('a newer state of an alert replaces its file, also under another name', async () => {
  const notifiers = await createNotifiers({}, folder, deps);
  for (const n of notifiers) await n.send(messageOf());
  for (const n of notifiers)
    await n.send(messageOf({ severity: 'critical' }, { change: 'raised', previous: 'x' }));
  expect(files()).toEqual([
    '2026-07-15T0912-critical-0123456789abcdef.eml',
    '2026-07-15T0912-critical-0123456789abcdef.slack.json',
  ]);
});

test('a rule id cannot lead out of the outbox', async () => {
  for (const n of await createNotifiers({}, folder, deps)) {
    await n.send(rollupOf({ key: 'rollup:../../evil:2026-07-15T09', rule: '../../evil' }));
  }
  expect(files()).toHaveLength(2);
  for (const f of files()) expect(f).toMatch(/^2026-07-15T0900-medium-[0-9a-f]{16}\.(eml|slack\.json)$/);
});

test('a configured notifier is real, the others write to the outbox', async () => {
  const notifiers = await createNotifiers({ slack: { token: 'xoxb-x', channel: 'C1' } }, folder, deps);
  expect(notifiers.map((n) => [n.name, n.isLocal])).toEqual([
    ['email', true],
    ['slack', false],
  ]);
});
