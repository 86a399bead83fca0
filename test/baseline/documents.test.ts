import { describe, expect, it } from 'vitest';
import { loadBaselines } from '../../src/detect/baseline/document.ts';
import { runDocumentTest } from '../../src/detect/baseline/documentTest.ts';
import { loadKinds } from '../../src/detect/baseline/engine.ts';

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
