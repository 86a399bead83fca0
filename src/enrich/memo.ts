/** Names are chosen by clients too: beyond this many the memory starts anew instead of growing for ever. */
const entriesMax = 100_000;

/** Remembers a pure function's answers by a key; bounded. */
export function memo<A, B>(keyOf: (input: A) => string, compute: (input: A) => B): (input: A) => B {
  const known = new Map<string, B>();
  return (input) => {
    const key = keyOf(input);
    let value = known.get(key);
    if (value === undefined) {
      if (known.size >= entriesMax) known.clear();
      value = compute(input);
      known.set(key, value);
    }
    return value;
  };
}
