import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/packageRoot.ts';

const folder = mkdtempSync(join(tmpdir(), 'kw-config-cli-'));
const script = [
  `const { configCommand } = await import(${JSON.stringify(`${packageRoot}src/cli/config.ts`)});`,
  'try { await configCommand().parseAsync(process.argv.slice(1), { from: "user" }); }',
  'catch (e) { process.stderr.write(e.message + "\\n"); process.exitCode = e.exit ?? 9; }',
].join('\n');
const run = (...args: string[]) => {
  const tsx = ['--import', 'tsx', '--input-type=module', '-e', script, '--', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, tsx, {
    cwd: packageRoot,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

describe('keywitness config', () => {
  it('writes a file that passes its own check, and never writes over one', () => {
    const file = join(folder, 'new.yaml');
    expect(run('init', file)).toMatchObject({ status: 0, stdout: '' });
    expect(run('check', file)).toMatchObject({ status: 0, stdout: '' });
    const before = readFileSync(file, 'utf8');
    expect(run('init', file).status).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
  it('says file:line:col with exit 3, as objects with --json, and looks into the catalog too', () => {
    const file = join(folder, 'wrong.yaml');
    writeFileSync(join(folder, 'catalog.yaml'), 'teems: {}\n');
    writeFileSync(file, 'catalog: catalog.yaml\n');
    const { status, stderr } = run('check', file);
    expect(status).toBe(3);
    expect(stderr).toContain(
      `${join(folder, 'catalog.yaml')}:1:1: error: unknown key \`teems\`; did you mean \`teams\`?`,
    );
    const json = run('check', '--json', file);
    expect(JSON.parse(json.stdout)).toMatchObject({ line: 1, column: 1, severity: 'error' });
  });
  it('prints the schema as JSON', () => {
    expect(JSON.parse(run('schema').stdout)).toMatchObject({ title: 'Keywitness configuration' });
  });
});
