import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import type { Engine } from '../../src/store/client.ts';
import { base, offsetOf, remove, removeRows, tree, update, verifyAfter } from './tampering.ts';

/** The checkpoint of the meta-log after the first of two sittings, as somebody outside kept it. */
function keptNote(size = 3): string {
  const lines = readFileSync(join(base, 'data.anchor'), 'utf8').split('\n');
  const [, , origin, count, root, signature] =
    lines.find((l) => l.includes(`/meta ${size} `))?.split(' ') ?? [];
  return `${origin}\n${count}\n${root}\n\n— ${origin} ${signature}\n`;
}

const sinceNote = (change: (engine: Engine, dir: string) => Promise<void>, note = keptNote()) =>
  verifyAfter(change, note, undefined, undefined, { isIncremental: true });

describe('an incremental verify', () => {
  it('derives again what came after the kept checkpoint, says what it did not, and comes to the same root', async () => {
    const whole = await verifyAfter(async () => undefined);
    const report = await sinceNote(async () => undefined);
    expect(report).toMatchObject({ verdict: 'intact', exit: 0, findings: [] });
    expect(report.trees).toMatchObject([
      { records: 600, derivedFrom: 300, events: 300, root: whole.trees[0]?.root },
    ]);
    expect(report.notes[0]).toMatch(
      /^up to the kept checkpoint nothing was derived again: 3 leaves .* and 300 records in 1 trees$/,
    );
  });

  it('derives nothing when nothing came', async () => {
    const report = await sinceNote(async () => undefined, keptNote(5));
    expect(report).toMatchObject({ exit: 0, findings: [], trees: [{ records: 600, derivedFrom: 600 }] });
  });

  it('names every kind of change after it as a whole verify does', async () => {
    const at = offsetOf(400);
    const changes: readonly [string, (engine: Engine) => Promise<void>][] = [
      [`modified ${tree} ${at}`, (e) => update(e, 'kw.records', "value = '{}'", `offset = ${at}`)],
      [`deleted ${tree} ${at}`, (e) => removeRows(e, `offset = ${at}`)],
      [`column-modified ${tree} ${at}`, (e) => update(e, 'kw.events', "outcome = 'x'", `offset = ${at}`)],
      [`event-deleted ${tree} ${at}`, (e) => remove(e, 'kw.events', `offset = ${at}`)],
      [`truncated ${tree} ${offsetOf(589)}`, (e) => removeRows(e, `offset >= ${offsetOf(590)}`)],
      [
        'modified meta 4',
        (e) => update(e, 'kw.meta', "text = replaceOne(text, 'kind stop', 'kind stoq')", 'index = 4'),
      ],
    ];
    for (const [first, change] of changes) expect((await sinceNote(change)).first, first).toBe(first);
  });

  it('does not look at bytes before it, but misses no record that is gone from there', async () => {
    const at = offsetOf(20);
    const changed = await sinceNote((e) => update(e, 'kw.records', "value = '{}'", `offset = ${at}`));
    expect(changed.exit).toBe(0);
    const gone = await sinceNote((e) => removeRows(e, `offset = ${at}`));
    expect(gone.exit).toBe(1);
    expect(gone.findings[0]?.class).toBe('deleted');
  });

  it('leaves nothing out when tiles or leaves do not prove what was signed', async () => {
    const proofs: ((engine: Engine) => Promise<void>)[] = [
      (e) => update(e, 'kw.meta', "text = replaceOne(text, 'set store main', 'set store misc')", 'index = 1'),
      (e) => update(e, 'kw.meta', "text = replaceOne(text, 'kind stop', 'kind stoq')", 'index = 2'),
      (e) => remove(e, 'kw.meta', 'index = 0'),
    ];
    for (const change of proofs) {
      const report = await sinceNote(change);
      expect(report.exit).toBe(1);
      expect(report.notes[0]).toMatch(/everything was derived again/);
    }
    const at = offsetOf(20);
    const tile = await sinceNote(async (e) => {
      await update(e, 'kw.tiles', "root = unhex(repeat('ab', 32))", "stream != ''");
      await update(e, 'kw.records', "value = '{}'", `offset = ${at}`);
    });
    expect(tile.findings).toContainEqual(expect.objectContaining({ class: 'modified', tree, offset: at }));
  });

  it('says of a checkpoint of another log, or signed by another key, what a whole verify says', async () => {
    const other = keptNote().replaceAll(/keywitness\/[0-9a-f]+/g, 'keywitness/0000000000000000');
    expect(await sinceNote(async () => undefined, other)).toMatchObject({ exit: 2, first: 'rolled-back  -' });
    const forged = keptNote().replace(/(.*\n3\n)(.)/, (_, head, c) => `${head}${c === 'A' ? 'B' : 'A'}`);
    expect((await sinceNote(async () => undefined, forged)).exit).toBe(1);
  });

  it('needs a checkpoint of the meta-log', async () => {
    expect(await runCli(['verify', '--incremental', '--data', join(base, 'data')])).toBe(64);
    rmSync(join(base, 'data', 'lock'), { force: true });
  });
});
