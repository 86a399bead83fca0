import {
  collectLeaves,
  compileEventField,
  compileNativeField,
  createFound,
  type Found,
  type Scalar,
} from './field.ts';
import { fold } from './fold.ts';

/** Which names a rule uses: the native record's own (`kw.` in front for ours), or ours bare. */
export type Vocabulary = 'native' | 'event';

/** The fields of a rule set, each once: rules refer to them by number, an event reads each at most once. */
export interface Fields {
  /** The number of a field under a rule's vocabulary. */
  intern(name: string, vocabulary: Vocabulary): number;
  readonly count: number;
  readonly readers: readonly Reader[];
}

interface Reader {
  readonly vocabulary: Vocabulary;
  readonly read: (root: unknown, into: Found) => void;
}

/** The logsource category whose rules see our own names bare. */
export const ownCategory = 'secrets_audit';
const ownPrefix = 'kw.';

export function createFields(): Fields {
  const readers: Reader[] = [];
  const numbers = new Map<string, number>();
  return {
    readers,
    get count() {
      return readers.length;
    },
    intern(name, vocabulary) {
      const isOurs = vocabulary === 'event' || name.startsWith(ownPrefix);
      const bare = name.startsWith(ownPrefix) ? name.slice(ownPrefix.length) : name;
      const key = `${isOurs ? 'event' : 'native'}:${bare}`;
      let number = numbers.get(key);
      if (number === undefined) {
        number = readers.length;
        numbers.set(key, number);
        readers.push(
          isOurs
            ? { vocabulary: 'event', read: compileEventField(bare) }
            : { vocabulary: 'native', read: compileNativeField(bare) },
        );
      }
      return number;
    },
  };
}

/** One field of the event under evaluation. Its texts are made when a rule first asks for them. */
export interface Cell extends Found {
  readonly texts: string[];
  readonly folded: string[];
  stamp: number;
  textsStamp: number;
  foldedStamp: number;
}

/** The event under evaluation. One view is reused for all events of a set: a stamp marks what belongs to this one. */
export interface View {
  native: unknown;
  event: unknown;
  stamp: number;
  readonly fields: Fields;
  readonly cells: Cell[];
  readonly leaves: Record<Vocabulary, { stamp: number; texts: string[]; folded: string[] }>;
}

export function createView(fields: Fields): View {
  const blank = () => ({ stamp: 0, texts: [], folded: [] });
  return {
    native: undefined,
    event: undefined,
    stamp: 0,
    fields,
    cells: [],
    leaves: { native: blank(), event: blank() },
  };
}

export function look(view: View, native: unknown, event: unknown): void {
  view.stamp += 1;
  view.native = native;
  view.event = event;
}

export function cellOf(view: View, field: number): Cell {
  let cell = view.cells[field];
  if (cell?.stamp === view.stamp) return cell;
  if (!cell) {
    cell = { ...createFound(), texts: [], folded: [], stamp: 0, textsStamp: 0, foldedStamp: 0 };
    view.cells[field] = cell;
  }
  cell.stamp = view.stamp;
  cell.present = false;
  cell.values.length = 0;
  cell.objects.length = 0;
  const reader = view.fields.readers[field] as Reader;
  reader.read(reader.vocabulary === 'native' ? view.native : view.event, cell);
  return cell;
}

/** The field as texts: its scalars without null, and its objects as JSON. */
export function textsOf(view: View, field: number): readonly string[] {
  const cell = cellOf(view, field);
  if (cell.textsStamp === view.stamp) return cell.texts;
  cell.textsStamp = view.stamp;
  cell.texts.length = 0;
  for (let i = 0; i < cell.values.length; i += 1) {
    const value = cell.values[i] as Scalar;
    if (value !== null) cell.texts.push(textOf(value));
  }
  for (let i = 0; i < cell.objects.length; i += 1) pushObjectTexts(cell.objects[i] as object, cell.texts);
  return cell.texts;
}

/**
 * Public rules ask objects for text (`requestParameters|contains`), as those see it who keep them as strings.
 * JSON inside JSON is shown with its quotes bare as well.
 */
function pushObjectTexts(object: object, into: string[]): void {
  const text = JSON.stringify(object, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v));
  into.push(text);
  if (text.includes('\\"')) into.push(text.replaceAll('\\"', '"'));
}

export function foldedOf(view: View, field: number): readonly string[] {
  const cell = cellOf(view, field);
  if (cell.foldedStamp !== view.stamp) {
    cell.foldedStamp = view.stamp;
    cell.folded.length = 0;
    for (const text of textsOf(view, field)) cell.folded.push(fold(text));
  }
  return cell.folded;
}

/** The whole event as texts, for keywords. */
export function leavesOf(view: View, vocabulary: Vocabulary): { texts: string[]; folded: string[] } {
  const leaves = view.leaves[vocabulary];
  if (leaves.stamp !== view.stamp) {
    leaves.stamp = view.stamp;
    leaves.texts = collectLeaves(vocabulary === 'native' ? view.native : view.event);
    leaves.folded = leaves.texts.map(fold);
  }
  return leaves;
}

/** 4624 and "4624", true and "true" are the same to a rule. */
export function textOf(value: Exclude<Scalar, null>): string {
  return typeof value === 'string' ? value : String(value);
}
