import { type MetaLeaf, type MetaLine, metaValue } from './meta.ts';

/** What a legal hold keeps; a part that is absent does not narrow it, so an empty scope is everything. */
export interface HoldScope {
  readonly stream?: string;
  /** Glob over the names of secrets (docs/catalog.md). */
  readonly secret?: string;
  readonly identity?: string;
  /** Event time in ms: from, and up to but without. */
  readonly from?: number;
  readonly to?: number;
}

export interface HoldAct {
  readonly id: string;
  readonly act: 'add' | 'release';
  readonly scope: HoldScope;
  readonly by: string;
  readonly reason: string;
  /** Milliseconds. */
  readonly at: number;
}

/** The lines of a `hold` leaf. A release repeats no scope. */
export function holdLines({ id, act, scope, by, reason }: Omit<HoldAct, 'at'>): MetaLine[] {
  const { stream, secret, identity, from, to } = scope;
  const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  const scoped = { stream, secret, identity, from: time(from), to: time(to) };
  return [
    ['id', id],
    ['act', act],
    ...Object.entries(scoped).flatMap(([name, value]): MetaLine[] =>
      value === undefined ? [] : [[name, value]],
    ),
    ['by', by],
    ['reason', reason],
  ];
}

/** Reads a `hold` leaf; undefined when it is not a whole one. */
export function parseHold(leaf: MetaLeaf): HoldAct | undefined {
  if (leaf.kind !== 'hold') return undefined;
  const value = (name: string) => metaValue(leaf, name);
  const [id, act, by] = [value('id'), value('act'), value('by')];
  const from = timeOf(value('from'));
  const to = timeOf(value('to'));
  if (!id || !by || (act !== 'add' && act !== 'release')) return undefined;
  // A bound that cannot be read must not widen or narrow what was meant.
  if (Number.isNaN(from) || Number.isNaN(to)) return undefined;
  const [stream, secret, identity] = [value('stream'), value('secret'), value('identity')];
  const scope: HoldScope = {
    ...(stream === undefined ? {} : { stream }),
    ...(secret === undefined ? {} : { secret }),
    ...(identity === undefined ? {} : { identity }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
  return { id, act, scope, by, reason: value('reason') ?? '', at: leaf.time };
}

/** The holds that were added and not released, oldest first. */
export function holdsInForce(acts: readonly HoldAct[]): readonly HoldAct[] {
  const held = new Map<string, HoldAct>();
  for (const act of acts) {
    if (act.act === 'release') held.delete(act.id);
    else if (!held.has(act.id)) held.set(act.id, act);
  }
  return [...held.values()];
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
