import { isoIn } from '../core/quarter.ts';
import type { Review } from './gather.ts';

/** The whole review for programs: keys in a fixed order, every row of every section (docs/access-review.md). */
export function reviewJson(review: Review): string {
  const { period } = review;
  const document = {
    format: 'keywitness.access-review/1',
    period: {
      name: period.name,
      zone: period.zone,
      from: isoIn(period.from, 'UTC'),
      to: isoIn(period.to, 'UTC'),
      from_local: isoIn(period.from, period.zone),
      to_local: isoIn(period.to, period.zone),
      before: period.before.name,
    },
    made: new Date(review.madeAt).toISOString(),
    log_begins: Object.fromEntries(review.logBegins.map((l) => [l.source, new Date(l.began).toISOString()])),
    product_version: review.productVersion,
    catalog: review.catalog,
    view: review.viewer,
    figures: { ...review.figures.row, query: review.figures.sql },
    most_read: { rows: review.mostRead.rows, query: review.mostRead.sql },
    sections: Object.fromEntries(
      review.sections.map((s) => [
        s.id,
        {
          title: s.title,
          notes: s.lead,
          total: s.rows.length,
          rows: s.rows,
          query: s.sql,
        },
      ]),
    ),
    warnings: review.warnings,
    findings: review.findings,
    exposure_seconds: review.exposureMs / 1000,
    checkpoints: review.checkpoints,
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}
