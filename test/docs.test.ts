import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorTable } from '../src/core/errors.ts';
import { actions } from '../src/core/event.ts';
import { packageRoot } from '../src/core/packageRoot.ts';

const page = (name: string) => readFileSync(join(packageRoot, name), 'utf8');

describe('docs/errors.md is the error table', () => {
  const text = page('docs/errors.md');

  it('has one row for each code, with its exit code and sentence', () => {
    const rows = [...text.matchAll(/^\| \[(KW_\w+)\]\(#(kw_\w+)\) \| (\d+) \| (.+) \|$/gm)];
    expect(rows.map((m) => [m[1], Number(m[3]), m[4]])).toEqual(
      Object.entries(errorTable).map(([code, { exit, sentence }]) => [code, exit, sentence]),
    );
    for (const m of rows) expect(m[2]).toBe(m[1]?.toLowerCase());
  });

  it('has one anchor for each, and under it what to do', () => {
    const anchors = [...text.matchAll(/^### (KW_\w+)\n(.+)/gm)];
    expect(anchors.map((m) => m[1])).toEqual(Object.keys(errorTable));
    for (const m of anchors) expect(m[2]?.length, m[1]).toBeGreaterThan(60);
  });
});

it('docs/events.md explains every action', () => {
  const table = page('docs/events.md').split('## Actions')[1] ?? '';
  const explained = [...table.matchAll(/^\| ([a-z-]+(?:, [a-z-]+)*) \| (?!-)/gm)]
    .flatMap((m) => (m[1] ?? '').split(', '))
    .filter((name) => name !== 'action');
  expect(explained.sort()).toEqual([...actions].sort());
});

describe('every link in the pages leads somewhere', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
    .filter((name) => existsSync(join(packageRoot, name)))
    .concat(
      readdirSync(join(packageRoot, 'docs'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.md'))
        .map((name) => `docs/${name}`),
    );
  it.each(pages)('%s', (name) => {
    const broken = [...page(name).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]+)?\)/g)].filter((m) => {
      const target = m[1] === '' ? name : join(dirname(name), m[1] ?? '');
      if (!existsSync(join(packageRoot, target))) return true;
      return m[2] !== undefined && target.endsWith('.md') && !anchorsOf(page(target)).includes(m[2].slice(1));
    });
    expect(broken.map((m) => m[0])).toEqual([]);
  });
});

/** As the usual renderers make them: lower case, punctuation gone, blanks to hyphens. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map((m) =>
    (m[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}
