import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/core/packageRoot.ts';

const folder = mkdtempSync(join(tmpdir(), 'keywitness-package-'));
const unpacked = join(folder, 'package');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `npm publish` would send, unpacked, with the dependencies of this checkout. */
beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, '--json'], {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', folder]);
  symlinkSync(join(packageRoot, 'node_modules'), join(unpacked, 'node_modules'));
});

function keywitness(...args: string[]): string {
  return execFileSync(process.execPath, [join(unpacked, 'dist/main.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

describe('the npm package holds all it needs', () => {
  it('takes in a file, finds it intact, and answers a query', () => {
    const file = join(packageRoot, 'test/fixtures/thread/openbao-root-token.ndjson');
    expect(JSON.parse(keywitness('ingest', '--source', 'vault', file))).toMatchObject({ records: 32 });
    expect(keywitness('verify', '--json')).toContain('"verdict":"intact"');
    expect(keywitness('query', 'SELECT count() AS n FROM records').trim()).toBe('{"n":32}');
  });

  it('ships the demo logs with their notice, the licence, and no test', () => {
    const files = execFileSync('tar', ['-tzf', join(folder, 'keywitness-0.1.0.tgz')], {
      encoding: 'utf8',
    }).split('\n');
    for (const file of [
      'LICENSE',
      'NOTICE',
      'src/demo/NOTICE.md',
      'src/demo/catalog.yaml',
      'dist/index.d.ts',
    ]) {
      expect(files).toContain(`package/${file}`);
    }
    expect(files.filter((f) => f.includes('test/') || f.endsWith('.map'))).toEqual([]);
  });

  it('is a library: its entry points load', () => {
    const { exports } = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8')) as {
      exports: Record<string, string>;
    };
    for (const entry of Object.values(exports)) {
      execFileSync(process.execPath, ['-e', `import(${JSON.stringify(join(unpacked, entry))})`]);
    }
  });
});
