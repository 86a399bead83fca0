import type { AuditEvent } from '../core/event.ts';
import type { Catalog, CatalogDocument, EnvironmentMatch } from './catalog.ts';
import { compileGlob } from './glob.ts';

/** What the catalog says about an object, whoever touches it and whenever. */
export interface ObjectFacts {
  readonly env: string;
  readonly owner: string;
  /** The first name of its `same:` list, else its own id. */
  readonly secret: string;
  readonly marks: readonly string[];
}

export interface Objects {
  ofEvent(event: AuditEvent): ObjectFacts;
  /** Environment of an actor by its id or its workload; undefined when no pattern fits. */
  envOfActor(event: AuditEvent): string | undefined;
}

export function compileObjects(document: CatalogDocument): Objects {
  const environments = (document.environments ?? []).map((e) => ({ env: e.env, ...compileMatch(e.match) }));
  const secrets = (document.secrets ?? []).map((s) => ({ ...s, fits: compileGlob(s.match) }));
  const canonical = new Map<string, string>();
  for (const list of document.same ?? []) for (const id of list) canonical.set(id, list[0] as string);
  return {
    ofEvent: (event) => {
      const found = secrets.find((s) => s.fits(event.object_id));
      const marks: string[] = [];
      if (found?.crown_jewel) marks.push('crown_jewel');
      if (found?.decoy) marks.push('decoy');
      for (const data of found?.data ?? []) marks.push(`data:${data}`);
      return {
        env: environments.find((e) => e.ofObject(event))?.env ?? 'unknown',
        owner: found?.owner ?? 'unknown',
        secret: canonical.get(event.object_id) ?? event.object_id,
        marks,
      };
    },
    envOfActor: (event) => environments.find((e) => e.ofActor(event))?.env,
  };
}

/** Who is responsible for a secret by its canonical id; '' = nobody the catalog knows. */
export function createOwnerLookup({ document }: Catalog): (secret: string) => string {
  const secrets = (document.secrets ?? []).map((s) => ({ owner: s.owner, fits: compileGlob(s.match) }));
  return (secret) => secrets.find((s) => s.fits(secret))?.owner ?? '';
}

interface CompiledMatch {
  ofObject(event: AuditEvent): boolean;
  ofActor(event: AuditEvent): boolean;
}

/** A text is a glob on ids; the named parts must all fit, and an absent field fits no pattern. */
function compileMatch(match: EnvironmentMatch): CompiledMatch {
  if (typeof match === 'string') {
    const fits = compileGlob(match);
    return {
      ofObject: (e) => e.object_id !== '' && fits(e.object_id),
      ofActor: (e) => e.actor_id !== '' && fits(e.actor_id),
    };
  }
  const account = part(match.account);
  const environment = part(match.environment);
  const ref = part(match.ref);
  const isAboutWorkload = environment !== undefined || ref !== undefined;
  return {
    ofObject: (e) => !isAboutWorkload && (account?.(e.object_account) ?? false),
    ofActor: (e) =>
      isAboutWorkload &&
      account === undefined &&
      (environment?.(e.workload.environment ?? '') ?? true) &&
      (ref?.(e.workload.ref ?? '') ?? true),
  };
}

function part(glob: string | undefined): ((text: string) => boolean) | undefined {
  if (glob === undefined) return undefined;
  const fits = compileGlob(glob);
  return (text) => text !== '' && fits(text);
}
