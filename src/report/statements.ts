import type { Review } from './gather.ts';

/** Every statement of the review with the name it is referred to by, in the order of the page. */
export function statementsOf(review: Review): (readonly [id: string, sql: string])[] {
  return [
    ['summary', review.figures.sql],
    ['most-read', review.mostRead.sql],
    ...review.sections.flatMap(({ id, sql, eventsSql }) => [
      [id, sql] as const,
      ...(eventsSql === undefined ? [] : [[`${id}-events`, eventsSql] as const]),
    ]),
  ];
}
