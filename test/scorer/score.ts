/**
 * Scores alerts against planted truth:
 *   keywitness alerts list --json --all | tsx test/scorer/score.ts test/fixtures/openbao/truth.ndjson [--days 92] [--false]
 * Days are days of log, learning included. `--false` lists the false alerts.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ruleNames, type ScoredAlert, score, scoreText, type TruthCase } from './scoring.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    days: { type: 'string', default: '92' },
    false: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [truthFile, alertsFile] = positionals;
if (truthFile === undefined) throw new Error('give the truth file; alerts come on stdin or as a second file');
const rows = <T>(text: string) =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as T);
const alerts = rows<ScoredAlert>(readFileSync(alertsFile ?? 0, 'utf8'));
const result = score(alerts, rows<TruthCase>(readFileSync(truthFile, 'utf8')), Number(values.days));
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${scoreText(result)}\n`);
if (values.false) {
  for (const a of result.falseAlerts) {
    process.stdout.write(`  false ${a.severity} ${a.first} ${a.identity}: ${ruleNames(a).join(', ')}\n`);
  }
}
