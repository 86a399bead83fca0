import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRuleFiles } from '../../src/cli/rules/files.ts';
import { rawEventReader } from '../../src/cli/rules/rawEvents.ts';
import { runTests } from '../../src/cli/rules/test.ts';
import { shippedRules } from '../../src/detect/ruleFolder.ts';
import { loadRules } from '../../src/detect/sigma/sigma.ts';

const files = readRuleFiles([shippedRules]);
const { rules, diagnostics } = loadRules(files);
const documents = [...(rules?.rules ?? []), ...(rules?.correlations ?? [])];
const speaking = documents.filter((d) => d.alerts);

describe('the shipped pack', () => {
  it('lints without an error, a warning or a remark', () => {
    expect(diagnostics).toEqual([]);
  });

  it('has a true and a false example beside every rule, and each says what it must', async () => {
    const results = runTests(rules ?? loadRules([]).rules ?? fail(), await rawEventReader());
    expect(results.filter((r) => !r.ok)).toEqual([]);
    expect(results.length).toBeGreaterThanOrEqual(documents.length * 2);
  });

  it('covers Vault and OpenBao with ten rules and CloudTrail with five', () => {
    const of = (folder: string) => speaking.filter((d) => d.file.includes(`/${folder}/`)).length;
    expect(of('vault')).toBeGreaterThanOrEqual(10);
    expect(of('cloudtrail')).toBeGreaterThanOrEqual(5);
  });

  it.each(documents.map((d) => [d.title, d] as const))('%s is of upstream quality', (_title, d) => {
    expect(d.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(basename(d.file)).toMatch(/^[a-z0-9_]{10,70}\.yml$/);
    expect(d.status).not.toBe('');
    expect(d.description.length).toBeGreaterThan(20);
    expect(d.references.length).toBeGreaterThan(0);
    expect(d.falsepositives.length).toBeGreaterThan(0);
    expect(d.tags.some((t) => t.startsWith('attack.'))).toBe(true);
    if (!d.alerts) return;
    expect(d.advice).toMatch(/\.$/);
    expect(d.group.length).toBeGreaterThan(0);
  });

  it('names no company, person or secret of the sample', () => {
    for (const file of files) expect(file.text).not.toMatch(/halden|freight/i);
  });

  it('says why beside every threshold', () => {
    for (const correlation of rules?.correlations ?? []) {
      const text = files.find((f) => f.path === correlation.file)?.text ?? '';
      const at = text
        .split('\n')
        .slice(correlation.line - 1)
        .join('\n');
      const body = at.slice(at.indexOf('correlation:'), at.indexOf('falsepositives:'));
      expect(body, correlation.title).toMatch(/^ *# /m);
    }
  });
});

function fail(): never {
  throw new Error('the pack does not load');
}
