import { describe, expect, it } from 'vitest';
import { diagnosticsText } from '../../src/config/diagnostics.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { loadCatalog, parseCatalog } from '../../src/enrich/catalog.ts';

const said = (text: string) => diagnosticsText(parseCatalog(text, 'catalog.yaml').diagnostics);

describe('catalog.yaml says where it is wrong', () => {
  it('names an unknown key by line and column, and the one that was meant', () => {
    expect(said('zone: UTC\nidentites: []\n')).toBe(
      'catalog.yaml:2:1: error: unknown key `identites`; did you mean `identities`?',
    );
  });
  it('names a team that does not exist', () => {
    const text = 'teams:\n  payments: {}\nsecrets:\n  - { match: "vault:*/x", owner: paymnets }\n';
    expect(said(text)).toBe(
      'catalog.yaml:4:34: error: there is no team `paymnets`; did you mean `payments`?',
    );
  });
  it('names a kind outside the list, a wrong zone and a wrong range at once', () => {
    const text = [
      'zone: Europe/Berln',
      'identities:',
      '  - { name: a, kind: humna }',
      'networks:',
      '  office: { cidrs: [203.0.113.0/33] }',
    ].join('\n');
    // The schema speaks first: without the right shape the other checks would guess.
    expect(said(text)).toBe(
      'catalog.yaml:3:22: error: `identities.0.kind` must be one of human, service, ci, root, system, unknown; did you mean `human`?',
    );
    expect(said(text.replace('humna', 'human'))).toBe(
      [
        'catalog.yaml:1:7: error: there is no zone `Europe/Berln`; did you mean `Europe/Berlin`?',
        'catalog.yaml:5:21: error: `203.0.113.0/33` is no address or range',
      ].join('\n'),
    );
  });
  it('wants to know whom an announcement is about, and what it explains', () => {
    const entry = (rest: string) =>
      said(`calendar:\n  - { from: 2026-09-01T06:00Z, until: 2026-09-01T09:00Z, what: x${rest} }\n`);
    expect(entry('')).toContain('lacks `for`');
    expect(entry(', for: {}')).toContain('catalog.yaml:2:');
    expect(entry(', for: { object: "**" }, explains: [raed]')).toContain('did you mean `read`?');
    expect(entry(', for: { object: "**" }, explains: [off-hours]')).toBe('');
  });
  it('finds days that do not exist and spans that end before they begin', () => {
    expect(said('holidays: [2026-02-30]')).toBe('catalog.yaml:1:12: error: there is no day 2026-02-30');
    expect(said('identities:\n  - { name: a, away: [2026-09-03/2026-08-21] }')).toContain(
      'ends before it begins',
    );
  });
  it('wants each identity to be findable', () => {
    expect(said('identities:\n  - { kind: human }')).toBe(
      'catalog.yaml:2:5: error: `identities.0` lacks one of match, name, role',
    );
  });
  it('shows a slip in YAML itself with its place', () => {
    expect(said('zone: UTC\nzone: UTC\n')).toMatch(/^catalog\.yaml:2:1: error: /);
    expect(said('a: [1\nb: 2')).toMatch(/^catalog\.yaml:2:\d+: error: /);
  });
  it('loads the demo catalog, and another byte is another version', () => {
    const demo = loadCatalog(`${packageRoot}src/demo/catalog.yaml`);
    expect(demo.version).toBeGreaterThan(0);
    const one = parseCatalog('zone: UTC\n', 'x').catalog?.version;
    expect(parseCatalog('zone: UTC \n', 'x').catalog?.version).not.toBe(one);
    expect(parseCatalog('zone: UTC\n', 'y').catalog?.version).toBe(one);
  });
});
