/** What is away for longer than a moment: a person must see to it. */
export interface LastingFault {
  readonly kind: 'away';
  /** As `/healthz` names it. */
  readonly fault: string;
  readonly sentence: string;
  /** Milliseconds. */
  readonly since: number;
}

/** A broker that is restarted, or elects a leader, is back sooner. */
const momentMs = 60_000;
/** Told here. The others tell by themselves, or cannot: an alert is stored before anyone hears of it. */
const toldHere: readonly string[] = ['broker', 'topics'];

/** Looks at the faults of `/healthz`: gives each once, when it has lasted. */
export function watchFaults(faults: ReadonlyMap<string, string>, now: () => number): () => LastingFault[] {
  const begun = new Map<string, { since: number; isTold: boolean }>();
  return () => {
    const at = now();
    for (const name of begun.keys()) if (!faults.has(name)) begun.delete(name);
    const lasting: LastingFault[] = [];
    for (const fault of toldHere) {
      const sentence = faults.get(fault);
      if (sentence === undefined) continue;
      const known = begun.get(fault) ?? { since: at, isTold: false };
      begun.set(fault, known);
      if (known.isTold || at - known.since < momentMs) continue;
      known.isTold = true;
      lasting.push({ kind: 'away', fault, sentence, since: known.since });
    }
    return lasting;
  };
}
