import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  compileSchema,
  type Diagnostic,
  diagnosticsText,
  parsePositioned,
  schemaDiagnostics,
} from '../config/diagnostics.ts';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { catalogChecks } from './catalogChecks.ts';

/** `catalog.yaml` as written, after the schema said yes (docs/catalog.md). Lists are ordered: first match wins. */
export interface CatalogDocument {
  readonly zone?: string;
  readonly hours?: string;
  readonly holidays?: readonly string[];
  readonly teams?: Readonly<Record<string, CatalogTeam>>;
  readonly environments?: readonly { readonly match: EnvironmentMatch; readonly env: string }[];
  readonly secrets?: readonly CatalogSecret[];
  readonly same?: readonly (readonly string[])[];
  readonly identities?: readonly CatalogIdentity[];
  readonly networks?: Readonly<Record<string, CatalogNetwork>>;
  readonly geo?: readonly { readonly cidr: string; readonly country?: string; readonly asn?: number }[];
  readonly calendar?: readonly CalendarEntry[];
  readonly on_call?: readonly OnCallEntry[];
  readonly max_ttl?: Readonly<Record<string, string>>;
  readonly break_glass?: readonly string[];
}

export type EnvironmentMatch =
  | string
  | { readonly account?: string; readonly environment?: string; readonly ref?: string };

interface CatalogTeam {
  readonly lead?: string;
  readonly slack?: string;
  readonly mail?: string;
  readonly zone?: string;
  readonly hours?: string;
  readonly holidays?: readonly string[];
}

interface CatalogSecret {
  readonly match: string;
  readonly owner?: string;
  readonly data?: readonly string[];
  readonly rotate_every?: string;
  readonly crown_jewel?: boolean;
  readonly decoy?: boolean;
}

export interface CatalogIdentity {
  readonly match?: string;
  readonly name?: string;
  readonly role?: string;
  readonly kind?: string;
  readonly person?: string;
  readonly slack?: string;
  readonly team?: string;
  readonly manager?: string;
  readonly env?: string;
  readonly zone?: string;
  readonly hours?: string;
  readonly from?: string;
  readonly until?: string;
  readonly addresses?: readonly string[];
  readonly networks?: readonly string[];
  readonly away?: readonly string[];
  readonly deploy_window?: string;
}

interface CatalogNetwork {
  readonly cidrs: readonly string[];
  readonly kind?: string;
  readonly country?: string;
  readonly asn?: number;
}

interface CalendarEntry {
  readonly from: string;
  readonly until: string;
  readonly what: string;
  readonly explains?: readonly string[];
  readonly for: {
    readonly team?: string;
    readonly identity?: string;
    readonly object?: string;
    readonly network?: string;
  };
}

interface OnCallEntry {
  readonly from: string;
  readonly until: string;
  readonly person: string;
  readonly explains?: readonly string[];
}

export interface Catalog {
  /** First 32 bits of the text's SHA-256, never 0; 0 = no catalog. Stands with each event it enriched. */
  readonly version: number;
  /** SHA-256 of the text, hex: what the ledger notes. */
  readonly hash: string;
  readonly document: CatalogDocument;
}

/** Without a catalog environment, owner and kind say `unknown`; everything else works. */
export const emptyCatalog: Catalog = { version: 0, hash: '', document: {} };

const validate = compileSchema<CatalogDocument>(
  JSON.parse(readFileSync(`${packageRoot}schemas/catalog.schema.json`, 'utf8')) as object,
);

/** The catalog, or what is wrong with it and where. Warnings come beside a catalog. */
export function parseCatalog(
  text: string,
  file: string,
): { catalog?: Catalog; diagnostics: readonly Diagnostic[] } {
  const yaml = parsePositioned(text, file);
  if (yaml.diagnostics.length > 0) return { diagnostics: yaml.diagnostics };
  const value = yaml.value ?? {};
  if (!validate(value)) return { diagnostics: schemaDiagnostics(yaml, validate.errors ?? []) };
  const diagnostics = catalogChecks(value, yaml);
  if (diagnostics.some((d) => d.severity === 'error')) return { diagnostics };
  const hash = createHash('sha256').update(text).digest('hex');
  const version = Number.parseInt(hash.slice(0, 8), 16) || 1;
  return { catalog: { version, hash, document: value }, diagnostics };
}

/** Reads and checks a catalog file; every error at once, each as file:line:col. */
export function loadCatalog(path: string): Catalog {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KeywitnessError('KW_CATALOG', `${path} cannot be read.`, { cause });
  }
  const { catalog, diagnostics } = parseCatalog(text, path);
  if (!catalog) throw new KeywitnessError('KW_CATALOG', `\n${diagnosticsText(diagnostics)}`);
  return catalog;
}
