import { type Diagnostic, loadRules } from '../../detect/sigma/sigma.ts';
import { printable, processTerminal } from '../output.ts';
import { readRuleFiles } from './files.ts';

export function lintRules(paths: string[], flags: { readonly json?: boolean }): void {
  const terminal = processTerminal(flags);
  const files = readRuleFiles(paths);
  const { diagnostics } = loadRules(files);
  for (const d of diagnostics) {
    terminal.out.write(`${terminal.isPeople ? diagnosticText(d) : JSON.stringify(inOrder(d))}\n`);
  }
  const errors = diagnostics.filter((d) => d.severity === 'error').length;
  terminal.err.write(
    `${files.length} files, ${errors} errors, ${diagnostics.length - errors} warnings and remarks.\n`,
  );
  if (errors > 0) process.exitCode = 1;
}

export function diagnosticText(d: Diagnostic): string {
  return printable(`${d.file}:${d.line}:${d.column}: ${d.severity}: ${d.message} (${d.check})`);
}

/** The contract's order of keys. */
function inOrder({ file, line, column, severity, check, message }: Diagnostic): Diagnostic {
  return { file, line, column, severity, check, message };
}
