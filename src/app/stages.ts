import type { Clock } from '../core/clock.ts';
import type { CompiledSet } from '../detect/sigma/sigma.ts';
import type { Catalog } from '../enrich/catalog.ts';
import { createEnricher } from '../enrich/enrich.ts';
import { sessionOf } from '../enrich/sessions.ts';
import type { Stages } from '../pipeline.ts';
import { loadSources } from '../sources/registry.ts';
import type { StreamBook } from '../store/streamBook.ts';
import { recordReader } from './recordReader.ts';
import { ruleMatcher } from './ruleMatcher.ts';

export interface StageParts extends Pick<Stages, 'engine' | 'writer' | 'fence' | 'extend'> {
  readonly book: StreamBook;
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly rules: CompiledSet;
}

/** The stages of the line with the adapters, the catalog and the rules that there are. */
export async function createStages({ book, clock, catalog, rules, ...parts }: StageParts): Promise<Stages> {
  const reader = recordReader(book, await loadSources());
  return {
    ...parts,
    now: () => clock.now(),
    understand: reader.understand,
    leaf: reader.leaf,
    enrich: createEnricher(catalog),
    match: ruleMatcher(rules),
    rulesVersion: () => rules.version,
    session: (event) => {
      const origin = sessionOf(event, event);
      if (origin === undefined) return undefined;
      const { stream, partition, epoch, offset, idx } = event;
      return { ...origin, stream, partition, epoch, offset, idx };
    },
  };
}
