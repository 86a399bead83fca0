import type { Action, AuditEvent, Enrichment } from '../core/event.ts';
import { type Actor, compileActors, joinerDays } from './actors.ts';
import { compileAnnouncements, type Scope } from './calendar.ts';
import type { Catalog, CatalogDocument } from './catalog.ts';
import { memo } from './memo.ts';
import { rangeTable } from './network.ts';
import { compileObjects, type ObjectFacts } from './objects.ts';

export type Enricher = (event: AuditEvent) => Enrichment;

interface Place {
  readonly network: string;
  readonly country: string;
  readonly asn: number;
}

const nowhere: Place = { network: '', country: '', asn: 0 };
const noMarks: string[] = [];

/** Acts that no announcement explains away: a change window must not become a hiding place (docs/catalog.md). */
const hardActions: ReadonlySet<Action> = new Set(['destroy', 'seal', 'config-audit', 'export']);

/**
 * What the operator knows about an event: environment, owner, the one identity and the one secret, network and
 * marks. A pure function of event and catalog, so that `rebuild` gives the same again. What does not depend on
 * time is worked out once for each object, actor and address; an event then costs about a microsecond.
 */
export function createEnricher(catalog: Catalog): Enricher {
  const { document } = catalog;
  const objects = compileObjects(document);
  const objectOf = memo((e: AuditEvent) => `${e.object_id}\n${e.object_account}`, objects.ofEvent);
  const actorOf = memo(actorKey, compileActors(document, objects.envOfActor));
  const placeOf = memo((ip: string) => ip, compilePlaces(document));
  const announcements = compileAnnouncements(document);

  return (event) => {
    const object = objectOf(event);
    const actor = actorOf(event);
    const place = event.src_ip === '' ? nowhere : placeOf(event.src_ip);
    const ms = Number(event.time / 1_000_000n);
    const marks = marksOf(event, object, actor, place, ms);
    const open = announcements(ms);
    if (open.length > 0 && !isHard(event, marks)) {
      const scope: Scope = {
        team: actor.team,
        identity: actor.identity,
        actorId: event.actor_id,
        actorName: event.actor_name,
        objectId: event.object_id,
        network: place.network,
      };
      for (const a of open) {
        if (ms < a.fromMs || ms > a.untilMs || !a.covers(scope)) continue;
        addExplained(marks, a.what, a.explains, event.action);
      }
    }
    return {
      env: object.env,
      actor_env: actor.env,
      owner: object.owner,
      team: actor.team,
      secret: object.secret,
      identity: actor.identity,
      identity_kind: actor.kind,
      network: place.network,
      geo_country: place.country,
      asn: place.asn,
      marks: marks.length === 0 ? noMarks : marks,
      catalog_version: catalog.version,
    };
  };
}

function actorKey(e: AuditEvent): string {
  return `${e.actor_id}\n${e.actor_name}\n${e.actor_role}\n${e.actor_kind}\n${e.workload.environment ?? ''}\n${e.workload.ref ?? ''}`;
}

function marksOf(event: AuditEvent, object: ObjectFacts, actor: Actor, place: Place, ms: number): string[] {
  const marks = object.marks.slice();
  if (actor.isBreakGlass) marks.push('break_glass');
  if (actor.isExpectedAt && event.src_ip !== '' && !actor.isExpectedAt(event.src_ip, place.network)) {
    marks.push('off_network');
  }
  if (actor.clock) {
    const at = actor.clock(ms);
    if (at.day > actor.untilDay) marks.push('left');
    if (at.day >= actor.fromDay && at.day < actor.fromDay + joinerDays) marks.push('joiner');
    if (actor.isAway(at)) marks.push('away');
    if (actor.isOffHours(at)) marks.push('off_hours');
    if (actor.isOutsideDeployWindow(at)) marks.push('outside_deploy_window');
  }
  return marks;
}

function isHard(event: AuditEvent, marks: readonly string[]): boolean {
  return (
    event.actor_kind === 'root' ||
    hardActions.has(event.action) ||
    marks.includes('crown_jewel') ||
    marks.includes('decoy') ||
    marks.includes('left')
  );
}

/**
 * `explained` for rules, `explained:WORD` for those that must know what (an action, a soft kind, or `all`), and
 * `announced:TEXT` for people.
 */
function addExplained(
  marks: string[],
  what: string,
  explains: ReadonlySet<string> | undefined,
  action: Action,
): void {
  const words: string[] = [];
  if (explains === undefined) words.push('all');
  else if (explains.has(action)) words.push(action);
  // Kinds that the event itself shows are said only then; those of baselines always.
  for (const word of explains ?? []) {
    const mark = markOfKind[word];
    if (mark === undefined ? baselineKinds.has(word) : marks.includes(mark)) words.push(word);
  }
  if (words.length === 0) return;
  for (const mark of ['explained', ...words.map((w) => `explained:${w}`), `announced:${what}`]) {
    if (!marks.includes(mark)) marks.push(mark);
  }
}

const markOfKind: Readonly<Record<string, string>> = {
  off_hours: 'off_hours',
  away: 'away',
  deploy_window: 'outside_deploy_window',
};

const baselineKinds: ReadonlySet<string> = new Set(['network', 'new', 'rate', 'spread', 'absence']);

function compilePlaces(document: CatalogDocument): (ip: string) => Place {
  const own = rangeTable(
    Object.entries(document.networks ?? {}).flatMap(([network, n]) =>
      n.cidrs.map((cidr) => [cidr, { network, country: n.country ?? '', asn: n.asn ?? 0 }] as const),
    ),
  );
  const geo = rangeTable((document.geo ?? []).map((g) => [g.cidr, g] as const));
  return (ip) => {
    const found = own.find(ip);
    const row = geo.find(ip);
    if (!row) return found ?? nowhere;
    return {
      network: found?.network ?? '',
      country: found?.country || (row.country ?? ''),
      asn: found?.asn || (row.asn ?? 0),
    };
  };
}
