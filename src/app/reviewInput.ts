import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/packageRoot.ts';
import { parsePeriod } from '../core/quarter.ts';
import { streamKeyText } from '../core/record.ts';
import type { Catalog, CatalogSecret } from '../enrich/catalog.ts';
import { compileGlob } from '../enrich/glob.ts';
import { parseStreamOrigin } from '../ledger/checkpoint.ts';
import type { KnownIdentity, ReviewCatalog, ReviewInput, StreamCompleteness } from '../report/input.ts';
import type { Engine } from '../store/client.ts';
import {
  metaCheckpointSince,
  newestStreamCheckpoints,
  offsetGaps,
  type SignedCheckpoint,
  storedStreams,
} from '../store/completeness.ts';
import type { StreamBook } from '../store/streamBook.ts';

/** Verdict of each tree (`streamKeyText`), as `verify` gave it. */
export type Verdicts = ReadonlyMap<string, string>;

/**
 * Everything an access review is a function of, taken from the store: the period in the catalog's zone, the
 * catalog, and what the ledger says of every stream (docs/access-review.md).
 */
export async function reviewInput(
  engine: Engine,
  book: StreamBook,
  catalog: Catalog,
  period: string,
  verdicts: Verdicts,
): Promise<ReviewInput> {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const signed = await newestStreamCheckpoints(engine);
  // The first of the meta tree after the last stream grew: a later run that adds no record gives the same bytes.
  const made = await metaCheckpointSince(engine, Math.max(0, ...signed.map((c) => c.madeAt)));
  return {
    period: parsePeriod(period, catalog.document.zone ?? 'UTC'),
    catalog: reviewCatalog(catalog),
    completeness: {
      checkpoint: made?.note ?? '',
      checkpointTime: made?.madeAt ?? 0,
      streams: await completeness(engine, book, signed, verdicts),
    },
    productVersion: version,
  };
}

async function completeness(
  engine: Engine,
  book: StreamBook,
  signed: readonly SignedCheckpoint[],
  verdicts: Verdicts,
): Promise<StreamCompleteness[]> {
  const byTree = new Map<string, SignedCheckpoint>();
  for (const checkpoint of signed) {
    const key = parseStreamOrigin(checkpoint.origin);
    if (key !== undefined) byTree.set(streamKeyText(key), checkpoint);
  }
  const out: StreamCompleteness[] = [];
  for (const stream of await storedStreams(engine)) {
    const name = streamKeyText(stream);
    const checkpoint = byTree.get(name);
    out.push({
      ...stream,
      // A file's offsets are bytes, an HTTP stream's are given without a hole: only a topic can have gaps.
      gaps: book.of(stream)?.transport === 'kafka' ? await offsetGaps(engine, stream) : [],
      rootHex: checkpoint?.rootHex ?? '',
      checkpointSize: checkpoint?.size ?? 0,
      verifyVerdict: verdicts.get(name) ?? 'not run',
      checkpoint: checkpoint?.note ?? '',
    });
  }
  return out;
}

function reviewCatalog(catalog: Catalog): ReviewCatalog {
  const secrets = catalog.document.secrets ?? [];
  const policies = secrets.map((s) => ({ fits: compileGlob(s.match), days: rotateEveryDays(s) }));
  return {
    version: catalog.version,
    hash: catalog.hash,
    rotateEveryDays: (objectId) => policies.find((p) => p.fits(objectId))?.days ?? 0,
    namedSecrets: secrets.map((s) => s.match).filter((match) => !/[*?[{]/.test(match)),
    identities: (catalog.document.identities ?? []).flatMap((i): KnownIdentity[] => {
      const identity = i.person ?? i.match ?? '';
      if (identity === '' || /[*?[{]/.test(identity)) return [];
      return [{ identity, kind: i.kind ?? 'unknown', team: i.team ?? '', until: i.until ?? '' }];
    }),
  };
}

const unitDays: Readonly<Record<string, number>> = { s: 1 / 86_400, m: 1 / 1440, h: 1 / 24, d: 1, w: 7, y: 365 };

/** A duration as the catalog's schema allows it, in days; 0 = no policy. */
function rotateEveryDays(secret: CatalogSecret): number {
  const [, count, unit = ''] = /^(\d+)([smhdwy])$/.exec(secret.rotate_every ?? '') ?? [];
  return Number(count ?? 0) * (unitDays[unit] ?? 0);
}
