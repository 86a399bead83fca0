import { describe, expect, it } from 'vitest';
import { diagnosticsText } from '../../src/config/diagnostics.ts';
import { loadBaselines, parseBaseline } from '../../src/detect/baseline/document.ts';
import { runDocumentTest } from '../../src/detect/baseline/documentTest.ts';
import { createBaselines, loadKinds } from '../../src/detect/baseline/engine.ts';

const kinds = await loadKinds();
const documents = loadBaselines(undefined, [...kinds.keys()]);

describe.each(documents.map((d) => [d.id, d] as const))('%s', (_id, document) => {
  it.each(document.tests.map((t) => [t.what, t] as const))('%s', (_what, test) => {
    expect(runDocumentTest(document, test, kinds)).toEqual([]);
  });
});

describe('baselines that come with Keywitness', () => {
  it('each has a test that it speaks and one that it stays silent', () => {
    for (const { id, tests } of documents) {
      expect([id, tests.some((t) => t.expect.length > 0), tests.some((t) => t.expect.length === 0)]).toEqual([
        id,
        true,
        true,
      ]);
    }
  });
  it('have ids of their own, equal to their file names', () => {
    expect(new Set(documents.map((d) => d.id)).size).toBe(documents.length);
  });
});

describe('a document says where it is wrong', () => {
  const text = [
    'id: test-one',
    'title: t',
    'kind: nwe',
    'description: d',
    'advice: a',
    'for: [identty]',
    'of: [secret]',
    'where: { actoin: [read] }',
    'parameters: {}',
    'tests:',
    '  - { what: a, events: [{ at: "2026-01-01" }], expect: [] }',
    '  - { what: b, events: [{ at: "2026-01-01" }], expect: [] }',
  ].join('\n');
  it('a kind and fields that do not exist, with the ones that were meant', () => {
    const { document, diagnostics } = parseBaseline(text, 'x.yaml', [...kinds.keys()]);
    expect(document).toBeUndefined();
    expect(diagnosticsText(diagnostics).split('\n')).toEqual([
      'x.yaml:3:7: error: there is no kind `nwe`; did you mean `new`?',
      'x.yaml:6:7: error: events have no field `identty`; did you mean `identity`?',
      'x.yaml:8:10: error: events have no field `actoin`; did you mean `action`?',
    ]);
  });
  it('an example at a time that is none, which no comparison would find', () => {
    const { diagnostics } = parseBaseline(text.replace('2026-01-01', '2026-1-1T09:00:00Z'), 'x.yaml');
    expect(diagnosticsText(diagnostics)).toMatch(/^x\.yaml:11:31: error: /);
  });
  it('a missing parameter stops the start, by its name', () => {
    const { document } = parseBaseline(
      text.replace('nwe', 'new').replace('identty', 'identity').replace('actoin', 'action'),
      'x.yaml',
    );
    if (!document) throw new Error('the document should load');
    expect(() => createBaselines([document], kinds)).toThrow('test-one: parameter forget is missing');
  });
});
