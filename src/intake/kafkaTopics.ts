import { controlTopic } from './membership.ts';

/** Which topics are read: those that are named, and those of a pattern that exist now or come later. */
export interface TopicSelection {
  readonly names: readonly string[];
  /** Each matches a whole name. */
  readonly patterns: readonly RegExp[];
}

/** Topics of Kafka itself begin with two underscores. */
function isInternal(topic: string): boolean {
  return topic.startsWith('__') || topic === controlTopic;
}

export interface ChosenTopics {
  /** Those that exist, sorted: two instances read the same list. */
  readonly topics: readonly string[];
  /** Named, and not there. */
  readonly missing: readonly string[];
}

export function chosenTopics({ names, patterns }: TopicSelection, existing: readonly string[]): ChosenTopics {
  const found = existing.filter(
    (topic) => names.includes(topic) || (!isInternal(topic) && patterns.some((p) => p.test(topic))),
  );
  return {
    topics: found.sort(),
    missing: names.filter((name) => !found.includes(name)).sort(),
  };
}

export function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
