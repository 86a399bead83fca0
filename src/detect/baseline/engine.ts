import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Signal } from '../../core/signal.ts';
import { type BaselineDocument, loadBaselines } from './document.ts';
import type { BaselineEvent } from './event.ts';
import type { BaselineKind, Evaluator } from './kind.ts';

export type KindRegistry = ReadonlyMap<string, BaselineKind>;

/** Every file of kinds/ that exports `kind`: adding one edits no list. */
export async function loadKinds(): Promise<KindRegistry> {
  const folder = fileURLToPath(new URL('./kinds/', import.meta.url));
  const kinds = new Map<string, BaselineKind>();
  for (const file of readdirSync(folder)
    .filter((f) => /\.[tj]s$/.test(f) && !f.endsWith('.d.ts'))
    .sort()) {
    const module = (await import(new URL(`./kinds/${file}`, import.meta.url).href)) as {
      kind?: BaselineKind;
    };
    if (module.kind) kinds.set(module.kind.name, module.kind);
  }
  return kinds;
}

/** All baselines together: finals in order of event time in, signals out in the order they became true. */
export interface Baselines {
  push(event: BaselineEvent): Signal[];
  /** Time stands at `timeMs` (the watermark, or the end of a file): hours and absences before it are closed. */
  advance(timeMs: number): Signal[];
}

/**
 * Reads documents and kinds once; each call of the result is a fresh memory.
 *
 * @example
 * const createAll = await loadBaselineFactory();
 * const baselines = createAll();
 * const signals = [...events.flatMap((e) => baselines.push(e)), ...baselines.advance(endMs)];
 */
export async function loadBaselineFactory(folder?: string): Promise<() => Baselines> {
  const kinds = await loadKinds();
  const documents = loadBaselines(folder, [...kinds.keys()]);
  return () => createBaselines(documents, kinds);
}

export function createBaselines(documents: readonly BaselineDocument[], kinds: KindRegistry): Baselines {
  const evaluators: Evaluator[] = documents.map((document) => {
    const kind = kinds.get(document.kind);
    if (!kind) throw new TypeError(`${document.id}: there is no kind ${document.kind}`);
    return kind.create(document);
  });
  return {
    push(event) {
      const out: Signal[] = [];
      for (const evaluator of evaluators) {
        for (const signal of evaluator.advance(event.timeMs)) out.push(signal);
        for (const signal of evaluator.observe(event)) out.push(signal);
      }
      return out;
    },
    advance: (timeMs) => evaluators.flatMap((e) => [...e.advance(timeMs)]),
  };
}
