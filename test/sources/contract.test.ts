import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { actions, actorKinds, blankEvent, outcomes, phases } from '../../src/core/event.ts';
import { packageRoot } from '../../src/core/packageRoot.ts';
import { dropReasons, quarantineReasons } from '../../src/sources/reading/reasons.ts';
import { detectSources, loadSources } from '../../src/sources/registry.ts';
import { defaultStreamSettings, type StreamSettings } from '../../src/sources/source.ts';
import { understand } from '../../src/sources/understand.ts';
import { fixtures, linesOf, recordOf, shown } from './support.ts';

const registry = await loadSources();
const files = readdirSync(join(packageRoot, 'src', 'sources')).filter((f) => f.endsWith('.ts'));
const machinery = ['registry.ts', 'source.ts', 'understand.ts'];
const reasons = new Set([...Object.keys(dropReasons), ...Object.keys(quarantineReasons)]);
const blank = Object.keys(blankEvent());

test('every file of the folder is a source of that name, but for the machinery', () => {
  const names = files.filter((f) => !machinery.includes(f)).map((f) => f.replace(/\.ts$/, ''));
  expect(registry.map((s) => s.name)).toEqual(names.sort());
});

test('the folders of fixtures are those of the sources', () => {
  const folders = readdirSync(fixtures, { withFileTypes: true }).filter((d) => d.isDirectory());
  expect(folders.map((d) => d.name).sort()).toEqual(registry.map((s) => s.name));
});

interface Fixture {
  readonly name: string;
  readonly source: string;
  readonly settings: StreamSettings;
  readonly input: readonly string[];
  readonly output: readonly object[];
}

function fixturesOf(source: string): Fixture[] {
  const folder = join(fixtures, source);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((f) => f.endsWith('.in.ndjson'))
    .map((f) => {
      const name = f.replace(/\.in\.ndjson$/, '');
      const settings = join(folder, `${name}.settings.json`);
      return {
        name,
        source,
        settings: {
          ...defaultStreamSettings,
          ...(existsSync(settings) ? (JSON.parse(readFileSync(settings, 'utf8')) as object) : {}),
        },
        input: linesOf(join(folder, f)),
        output: linesOf(join(folder, `${name}.out.ndjson`)).map((line) => JSON.parse(line) as object),
      };
    });
}

const samples = registry.flatMap((s) => fixturesOf(s.name));

describe.each(registry.map((s) => [s.name, s] as const))('source %s', (name, source) => {
  const own = samples.filter((f) => f.source === name);
  const input = own.flatMap((f) => f.input);

  test('has a schema, a documentation page and at least ten sample records', () => {
    expect(existsSync(join(packageRoot, 'schemas', 'sources', `${name}.schema.json`))).toBe(true);
    expect(existsSync(join(packageRoot, 'docs', 'sources', `${name}.md`))).toBe(true);
    expect(input.length).toBeGreaterThanOrEqual(10);
  });

  test('has a documentation page that says how to switch the log on and what it does not record', () => {
    const page = readFileSync(join(packageRoot, 'docs', 'sources', `${name}.md`), 'utf8');
    expect(page).toMatch(/^## Switch it on$/m);
    expect(page).toMatch(/^## What it does not record$/m);
  });

  test.each(own.map((f) => [f.name, f] as const))('reads %s as written by hand', (_, fixture) => {
    const got = fixture.input.flatMap((line) =>
      understand(recordOf(line), source, fixture.settings, registry),
    );
    expect(got.map(shown)).toEqual(fixture.output);
  });

  test('is the only one that knows its samples', () => {
    for (const line of input) {
      const names = detectSources(registry, JSON.parse(line)).map((s) => s.name);
      expect(names, line.slice(0, 200)).toEqual([name]);
    }
  });

  test('reads the same without being named', () => {
    for (const fixture of own) {
      const got = fixture.input.flatMap((line) =>
        understand(recordOf(line), undefined, fixture.settings, registry),
      );
      expect(got.map(shown)).toEqual(fixture.output);
    }
  });

  test('shows no canary in an event, in the object for rules, or in a reason', () => {
    const planted = input.filter((line) => /canary/i.test(line));
    expect(planted.length).toBeGreaterThan(0);
    for (const line of planted) {
      for (const outcome of understand(recordOf(line), source, defaultStreamSettings, registry)) {
        const text = JSON.stringify(outcome, (_, v) => (typeof v === 'bigint' ? String(v) : v));
        expect(text).not.toMatch(/canary/i);
      }
    }
  });

  test('gives an event of the table’s shape, or a named reason, whatever a field turns into', () => {
    const objects = input.map((line) => JSON.parse(line) as unknown);
    fc.assert(
      fc.property(
        fc.nat(objects.length - 1),
        fc.nat(10_000),
        fc.jsonValue(),
        fc.nat(2 ** 41),
        (at, place, value, time) => {
          const text = JSON.stringify(mutated(objects[at], place, value));
          for (const outcome of understand(recordOf(text, time), source, defaultStreamSettings, registry)) {
            if (outcome.kind !== 'ok') {
              expect(reasons).toContain(outcome.reason);
              continue;
            }
            const { event } = outcome.value;
            expect(Object.keys(event)).toEqual(blank);
            expect(actions).toContain(event.action);
            expect(outcomes).toContain(event.outcome);
            expect(phases).toContain(event.phase);
            expect(actorKinds).toContain(event.actor_kind);
            expect(event.time).toBeGreaterThanOrEqual(BigInt(Date.UTC(2000, 0, 1)) * 1_000_000n);
            expect(event.object_id.length).toBeLessThanOrEqual(1024);
            expect(Number.isSafeInteger(event.token_ttl)).toBe(true);
            for (const field of blank) expect(typeOf(event[field as keyof typeof event])).toBe(types[field]);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const types = Object.fromEntries(Object.entries(blankEvent()).map(([k, v]) => [k, typeOf(v)]));

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}

/** The object with the value put at the nth of its places, counted depth first. */
function mutated(value: unknown, place: number, put: unknown): unknown {
  const count = places(value);
  let left = place % count;
  const walk = (v: unknown): unknown => {
    if (left-- === 0) return put;
    if (Array.isArray(v)) return v.map(walk);
    if (typeof v !== 'object' || v === null) return v;
    return Object.fromEntries(Object.entries(v).map(([k, below]) => [k, walk(below)]));
  };
  return walk(value);
}

function places(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return 1 + Object.values(value).reduce<number>((sum, v) => sum + places(v), 0);
}
