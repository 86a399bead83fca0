/**
 * Aho–Corasick: all words that stand anywhere in a text, in one pass whatever their number.
 * Over UTF-16 units; the words are folded before they come here.
 */
export interface Automaton {
  /** Calls `found` with the index of each word in the text, possibly more than once. */
  search(text: string, found: (word: number) => void): void;
}

interface State {
  readonly next: Map<number, number>;
  fail: number;
  /** Words that end here, those of the fail states included. */
  words: number[];
}

export function buildAutomaton(words: readonly string[]): Automaton {
  const states: State[] = [{ next: new Map(), fail: 0, words: [] }];
  words.forEach((word, index) => {
    let at = 0;
    for (let i = 0; i < word.length; i += 1) at = child(states, at, word.charCodeAt(i));
    states[at]?.words.push(index);
  });
  link(states);
  return {
    search(text, found) {
      let at = 0;
      for (let i = 0; i < text.length; i += 1) {
        at = step(states, at, text.charCodeAt(i));
        const ends = (states[at] as State).words;
        for (let w = 0; w < ends.length; w += 1) found(ends[w] as number);
      }
    },
  };
}

function child(states: State[], at: number, unit: number): number {
  const state = states[at] as State;
  let next = state.next.get(unit);
  if (next === undefined) {
    next = states.length;
    states.push({ next: new Map(), fail: 0, words: [] });
    state.next.set(unit, next);
  }
  return next;
}

function step(states: readonly State[], from: number, unit: number): number {
  let at = from;
  for (;;) {
    const state = states[at] as State;
    const next = state.next.get(unit);
    if (next !== undefined) return next;
    if (at === 0) return 0;
    at = state.fail;
  }
}

/** Breadth first: the fail state of a child is found from its parent's. */
function link(states: State[]): void {
  const queue = [...(states[0] as State).next.values()];
  for (let head = 0; head < queue.length; head += 1) {
    const at = queue[head] as number;
    const state = states[at] as State;
    for (const [unit, next] of state.next) {
      const target = states[next] as State;
      target.fail = step(states, state.fail, unit);
      target.words = [...target.words, ...(states[target.fail] as State).words];
      queue.push(next);
    }
  }
}
