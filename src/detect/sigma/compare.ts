export const comparisons = ['lt', 'lte', 'gt', 'gte', 'eq', 'neq'] as const;
export type Comparison = (typeof comparisons)[number];

export function compareNumbers(a: number, op: Comparison, b: number): boolean {
  switch (op) {
    case 'lt':
      return a < b;
    case 'lte':
      return a <= b;
    case 'gt':
      return a > b;
    case 'gte':
      return a >= b;
    case 'eq':
      return a === b;
    case 'neq':
      return a !== b;
  }
}
