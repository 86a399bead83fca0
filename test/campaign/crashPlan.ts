/** Where on the way of a record, or of a message about it, the process dies. */
export const crashStages = [
  'after fetch',
  'parse',
  'mid-insert',
  'before read-back',
  'before tree',
  'before checkpoint',
  'before anchor',
  'before commit',
  'alert sent before recorded',
  'any moment',
] as const;

export type CrashStage = (typeof crashStages)[number];

export interface CrashPlan {
  readonly stage: CrashStage;
  /** The process dies when it comes to the stage for this time, counted from 1. */
  readonly nth: number;
  /** `mid-insert`: the table. */
  readonly table: string;
  /** `mid-insert`: after the insert was given to the engine; `any moment`: after the process began. */
  readonly delayMs: number;
  /** `before anchor`: as many bytes of the lines are written before. */
  readonly tornBytes: number;
}

/** How often a stage is come to for sure while one load is taken in (crashWorld.ts). */
const passesMin: Readonly<Record<CrashStage, number>> = {
  'after fetch': 4,
  parse: 400,
  'mid-insert': 1,
  'before read-back': 1,
  'before tree': 4,
  'before checkpoint': 4,
  'before anchor': 4,
  'before commit': 1,
  'alert sent before recorded': 1,
  'any moment': 1,
};

/** Tables that one load writes to, and how often for sure. */
const insertsMin: Readonly<Record<string, number>> = {
  'kw.records': 1,
  'kw.events': 1,
  'kw.set_aside': 1,
  'kw.sessions': 1,
  'kw.hits': 1,
  'kw.meta': 4,
  'kw.checkpoints': 4,
  'kw.tiles': 1,
  'kw.alerts': 1,
  'kw.deliveries': 3,
  // Only while the streams are new.
  'kw.streams': 4,
};

/** What the random numbers of one seed make of a stage; `isFirst`: nothing is stored yet. */
export function crashPlan(stage: CrashStage, random: () => number, isFirst: boolean): CrashPlan {
  const upTo = (max: number) => Math.floor(random() * max);
  const tables = Object.keys(insertsMin).filter((name) => isFirst || name !== 'kw.streams');
  const table = tables[upTo(tables.length)] ?? 'kw.records';
  const times = stage === 'mid-insert' ? (insertsMin[table] ?? 1) : passesMin[stage];
  return {
    stage,
    nth: 1 + upTo(times),
    table,
    delayMs: stage === 'any moment' ? 500 + upTo(4_000) : upTo(12),
    tornBytes: [0, upTo(200), 1_000][upTo(3)] ?? 0,
  };
}

/** It may die before its `start` leaf: then it did nothing that anyone could see. */
export function maySayNothing({ stage, table, nth }: CrashPlan): boolean {
  if (stage === 'any moment') return true;
  // The first line of the anchor names the key.
  return nth === 1 && (stage === 'before anchor' || (stage === 'mid-insert' && table === 'kw.meta'));
}
