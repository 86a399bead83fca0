import type { Grouped } from './group.ts';
import type { Replaced } from './grouper.ts';

/**
 * Which stored alerts a fresh grouping of the whole history no longer has: all their events are in another
 * alert about the same entity now (a day's weak signs that joined a stronger story, an episode that begins
 * earlier since an older file came). An alert whose events are in none is left alone: a rule that was taken
 * away does not unsay what people were told.
 */
export function superseded(
  stored: readonly Pick<Grouped, 'alert' | 'group'>[],
  fresh: readonly Grouped[],
): Replaced[] {
  const ids = new Set(fresh.map((g) => g.alert.id));
  const byGroup = new Map<string, { id: string; events: ReadonlySet<string> }[]>();
  for (const { alert, group } of fresh) {
    const list = byGroup.get(group) ?? [];
    list.push({ id: alert.id, events: new Set(alert.events) });
    byGroup.set(group, list);
  }
  return stored
    .filter((old) => !ids.has(old.alert.id))
    .flatMap(({ alert, group }) => {
      const heir = byGroup.get(group)?.find(({ events }) => alert.events.every((e) => events.has(e)));
      return heir === undefined ? [] : [{ id: alert.id, by: heir.id }];
    });
}
