import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { streamKeyText } from '../core/record.ts';
import { removeFromOutbox } from '../notify/outbox.ts';
import type { Engine } from '../store/client.ts';
import { openDeliveryLog } from '../store/deliveryStore.ts';
import { contentOf, type RecordPlace } from '../store/erasureStore.ts';
import { knownStreams } from '../store/positions.ts';

/** Something that still says what was erased, and that we cannot reach. */
export interface Copy {
  readonly what: 'topic' | 'file' | 'sender' | 'review' | 'message' | 'acts';
  /** Where a person finds it. */
  readonly where: string;
}

/** Where the records came from, and the reviews and logs of acts in the data directory that name their people. */
export async function copiesOf(
  engine: Engine,
  { records, dataDir }: { readonly records: readonly RecordPlace[]; readonly dataDir: string },
): Promise<Copy[]> {
  const content = await contentOf(engine, records);
  const words = [
    ...new Set(content.flatMap((c) => c.identities)),
    ...records.map((r) => `${streamKeyText(r)}/${r.offset}`),
  ];
  return [
    ...(await originsOf(engine, records)),
    ...reviewsNaming(dataDir, words),
    ...actsNaming(dataDir, words),
  ];
}

async function originsOf(engine: Engine, records: readonly RecordPlace[]): Promise<Copy[]> {
  const transports = new Map((await knownStreams(engine)).map((s) => [streamKeyText(s), s.transport]));
  return records.map((record) => {
    const { stream, partition, offset } = record;
    const transport = transports.get(streamKeyText(record));
    if (transport === 'kafka') {
      const dot = stream.indexOf('.');
      const topic = `topic ${stream.slice(dot + 1)} of cluster ${stream.slice(0, dot)}`;
      return { what: 'topic', where: `${topic}, partition ${partition}, offset ${offset}` };
    }
    if (transport === 'http')
      return { what: 'sender', where: `whoever sent it to the HTTP stream ${stream}` };
    return { what: 'file', where: `the file that stream ${stream} was read from, at byte ${offset}` };
  });
}

/** Reviews are given to people as they are: they are named, not rewritten. */
function reviewsNaming(dataDir: string, words: readonly string[]): Copy[] {
  const folder = join(dataDir, 'reviews');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isNamedIn(join(folder, entry.name), words))
    .map((entry) => ({ what: 'review', where: join(folder, entry.name) }));
}

function isNamedIn(folder: string, words: readonly string[]): boolean {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && holds(join(entry.parentPath, entry.name), words),
  );
}

function actsNaming(dataDir: string, words: readonly string[]): Copy[] {
  const path = join(dataDir, 'acts.ndjson');
  return existsSync(path) && holds(path, words) ? [{ what: 'acts', where: path }] : [];
}

function holds(path: string, words: readonly string[]): boolean {
  const bytes = readFileSync(path);
  return words.some((word) => bytes.includes(word) || bytes.includes(htmlText(word)));
}

function htmlText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/** Removes what the outbox holds of these alerts; names the messages that were really sent. */
export async function removeMessages(
  engine: Engine,
  dataDir: string,
  alerts: readonly string[],
): Promise<{ readonly files: readonly string[]; readonly sent: readonly Copy[] }> {
  const log = openDeliveryLog(engine);
  const own = await log.lookUp(alerts);
  const rollups = [...new Set(own.map((r) => r.rollup).filter((key) => key !== ''))];
  const told = [...own, ...(await log.lookUp(rollups))].filter((r) => r.toldAt > 0);
  const files = removeFromOutbox(join(dataDir, 'outbox'), [...alerts, ...rollups]);
  const sent = told
    .filter((r) => !isOutboxFile(r.ref))
    .map((r): Copy => {
      const at = new Date(r.toldAt).toISOString();
      return {
        what: 'message',
        where: `${r.channel}, sent ${at}, ${r.ref === '' ? `about ${r.key}` : r.ref}`,
      };
    });
  return { files, sent };
}

/** A message of the outbox is named by its file (src/notify/outbox.ts). */
function isOutboxFile(ref: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d{4}-[a-z]+-[0-9a-f]{16}\.[a-z.]+$/.test(ref);
}
