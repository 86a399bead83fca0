import type { Report } from './diagnostic.ts';
import type { LocatedMap } from './document.ts';
import type { Logsource } from './rule.ts';

const parts = ['product', 'service', 'category'] as const;

/** Reads `logsource`; undefined after a complaint. */
export function readLogsource(map: LocatedMap, report: Report): Logsource | undefined {
  const entry = map.entries.get('logsource');
  if (!entry) return report.error('logsource', map.at, "'logsource' is missing");
  if (entry.value.kind !== 'map') return report.error('logsource', entry.value.at, "'logsource' is a map");
  const out: { product?: string; service?: string; category?: string } = {};
  let isRight = true;
  for (const part of parts) {
    const value = entry.value.entries.get(part)?.value;
    if (!value || (value.kind === 'scalar' && value.value === null)) continue;
    if (value.kind === 'scalar' && typeof value.value === 'string' && value.value !== '') {
      const text = value.value;
      if (text !== text.toLowerCase() || /\s/.test(text)) {
        report.warn('logsource', value.at, `'${text}': a log source is in lower case, with '_' for spaces`);
      }
      out[part] = text.toLowerCase();
    } else {
      report.error('logsource', value.at, `'${part}' is a text`);
      isRight = false;
    }
  }
  if (isRight && Object.keys(out).length === 0) {
    return report.error('logsource', entry.at, 'name at least one of product, service, category');
  }
  return isRight ? out : undefined;
}
