import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../store/client.ts';
import { csvText } from './csv.ts';
import { gatherReview, type Review } from './gather.ts';
import { reviewHtml } from './html/page.tsx';
import type { ReviewInput } from './input.ts';
import { reviewJson } from './json.ts';
import { statementsOf } from './statements.ts';

interface ReviewFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface CreatedReview {
  /** Where the files lie: OUTDIR/PERIOD. */
  readonly folder: string;
  /** Sorted by name; manifest.json is last. */
  readonly files: readonly ReviewFile[];
  readonly review: Review;
}

/**
 * Makes the access review of a period and writes it as HTML, CSV, JSON and SQL under `outDir`/PERIOD.
 * A pure function of its input and of the rows under the checkpoint: made again, the bytes are the same.
 * @throws KW_STORE
 */
export async function createReview(
  engine: Engine,
  input: ReviewInput & { readonly outDir: string },
): Promise<CreatedReview> {
  const review = await gatherReview(engine, input);
  const texts = new Map<string, string>([
    ['review.html', reviewHtml(review)],
    ['review.json', reviewJson(review)],
    ['queries.sql', queriesSql(review)],
    ...review.sections.map((s) => [`${s.id}.csv`, csvText(s.columns, s.rows)] as const),
  ]);
  const files = [...texts.keys()].sort().map((name) => fileOf(name, texts.get(name) as string));
  const manifest = manifestJson(review, files);
  texts.set('manifest.json', manifest);
  const folder = join(input.outDir, folderName(review.period.name));
  writeFolder(folder, texts);
  return { folder, files: [...files, fileOf('manifest.json', manifest)], review };
}

/** Colons of instants are no part of a file name on every system. */
function folderName(period: string): string {
  return period.replaceAll(':', '');
}

function fileOf(name: string, content: string): ReviewFile {
  const bytes = Buffer.from(content);
  return { name, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

function manifestJson(review: Review, files: readonly ReviewFile[]): string {
  const manifest = {
    format: 'keywitness.review-manifest/1',
    period: review.period.name,
    made: new Date(review.madeAt).toISOString(),
    product_version: review.productVersion,
    catalog_hash: review.catalog.hash,
    files,
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function queriesSql(review: Review): string {
  return statementsOf(review)
    .map(([name, sql]) => `-- ${name}\n${sql};\n`)
    .join('\n');
}

/** The folder appears whole or not at all: a reader never meets half a review. */
function writeFolder(folder: string, texts: ReadonlyMap<string, string>): void {
  const draft = `${folder}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  for (const [name, content] of texts) writeFileSync(join(draft, name), content, { mode: 0o600 });
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
}
