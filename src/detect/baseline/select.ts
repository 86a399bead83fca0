import type { BaselineDocument, Choice } from './document.ts';
import type { BaselineEvent } from './event.ts';

export type Select = (event: BaselineEvent) => boolean;

/** Which events a document is about: every `where` field has one of its values, no `unless` field has one. */
export function selector({ where: must, unless: not }: Pick<BaselineDocument, 'where' | 'unless'>): Select {
  const where = choices(must);
  const unless = choices(not);
  return (event) => where.every((has) => has(event)) && !unless.some((has) => has(event));
}

function choices(choice: Choice | undefined): Select[] {
  return Object.entries(choice ?? {}).map(([field, values]) => {
    const wanted = new Set<unknown>(values);
    return (event) => {
      const value: unknown = event[field as keyof BaselineEvent];
      return Array.isArray(value) ? value.some((v) => wanted.has(v)) : wanted.has(value);
    };
  });
}
