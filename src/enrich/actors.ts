import type { ActorKind, AuditEvent } from '../core/event.ts';
import type { CatalogDocument, CatalogIdentity } from './catalog.ts';
import { compileGlob } from './glob.ts';
import { compileHours, type HoursTest } from './hours.ts';
import { rangeTable } from './network.ts';
import { dayOf, type LocalTime, type ZoneClock, zoneClock } from './zone.ts';

/** Everything about an actor that does not depend on when or where: worked out once for each actor. */
export interface Actor {
  /** Person of the catalog, else the canonical id; '' = the record names nobody. */
  readonly identity: string;
  readonly kind: string;
  readonly team: string;
  readonly env: string;
  readonly isBreakGlass: boolean;
  readonly clock: ZoneClock | undefined;
  isOffHours(at: LocalTime): boolean;
  isAway(at: LocalTime): boolean;
  isOutsideDeployWindow(at: LocalTime): boolean;
  readonly fromDay: number;
  readonly untilDay: number;
  /** Undefined when the catalog says nothing about where the identity works. */
  readonly isExpectedAt: ((ip: string, network: string) => boolean) | undefined;
}

/** New people read much for the first time: two weeks, the learning period of novelty (detection.md). */
export const joinerDays = 14;

interface Entry {
  readonly fits: (event: AuditEvent) => boolean;
  readonly identity: CatalogIdentity;
}

/** A function from an event to its actor's facts; not memoised here (enrich.ts does). */
export function compileActors(
  document: CatalogDocument,
  envOfActor: (event: AuditEvent) => string | undefined,
): (event: AuditEvent) => Actor {
  const entries: Entry[] = (document.identities ?? []).map((identity) => ({
    identity,
    fits: entryTest(identity),
  }));
  const breakGlass = (document.break_glass ?? []).map((g) => compileGlob(g));
  const clocks = new Map<string, ZoneClock>();
  const clockOf = (zone: string) => {
    const clock = clocks.get(zone) ?? zoneClock(zone);
    clocks.set(zone, clock);
    return clock;
  };
  return (event) => {
    const found = entries.find((e) => e.fits(event))?.identity;
    const identity = found?.person ?? event.actor_id;
    const kind = found?.kind ?? event.actor_kind;
    const names = [event.actor_id, event.actor_name, identity];
    const team = found?.team === undefined ? undefined : document.teams?.[found.team];
    const zone = found?.zone ?? team?.zone ?? document.zone;
    return {
      identity,
      kind,
      team: found?.team ?? '',
      env: found?.env ?? envOfActor(event) ?? 'unknown',
      isBreakGlass: breakGlass.some((fits) => names.some((n) => fits(n))),
      clock: zone === undefined ? undefined : clockOf(zone),
      isOffHours: offHoursTest(document, found, kind as ActorKind),
      isAway: awayTest(found),
      isOutsideDeployWindow: deployTest(found),
      fromDay: found?.from === undefined ? Number.NEGATIVE_INFINITY : dayOf(found.from),
      untilDay: found?.until === undefined ? Number.POSITIVE_INFINITY : dayOf(found.until),
      isExpectedAt: expectedPlaces(found),
    };
  };
}

/** Every key the entry has must fit; names are people's spelling, so their case does not count. */
function entryTest({ match, name, role }: CatalogIdentity): (event: AuditEvent) => boolean {
  const isMatch = match === undefined ? undefined : compileGlob(match);
  const isName = name === undefined ? undefined : compileGlob(name, { ignoreCase: true });
  const isRole = role === undefined ? undefined : compileGlob(role, { ignoreCase: true });
  return (event) =>
    (isMatch?.(event.actor_id) ?? true) &&
    (isName?.(event.actor_name) ?? true) &&
    (isRole?.(event.actor_role) ?? true);
}

function offHoursTest(
  document: CatalogDocument,
  found: CatalogIdentity | undefined,
  kind: ActorKind,
): (at: LocalTime) => boolean {
  const team = found?.team === undefined ? undefined : document.teams?.[found.team];
  const hours = found?.hours ?? team?.hours ?? document.hours;
  // Machines work at night; only a person's clock says something.
  if (kind !== 'human' || hours === undefined) return () => false;
  const isOpen: HoursTest = compileHours(hours);
  const holidays = new Set((team?.holidays ?? document.holidays ?? []).map(dayOf));
  return (at) => !isOpen(at) || holidays.has(at.day);
}

function awayTest(found: CatalogIdentity | undefined): (at: LocalTime) => boolean {
  const spans = (found?.away ?? []).map((s) => s.split('/').map(dayOf) as [number, number]);
  return (at) => spans.some(([from, until]) => at.day >= from && at.day <= until);
}

function deployTest(found: CatalogIdentity | undefined): (at: LocalTime) => boolean {
  if (found?.deploy_window === undefined) return () => false;
  const isOpen = compileHours(found.deploy_window);
  return (at) => !isOpen(at);
}

function expectedPlaces(found: CatalogIdentity | undefined): Actor['isExpectedAt'] {
  const addresses = found?.addresses ?? [];
  const networks = new Set(found?.networks ?? []);
  if (addresses.length === 0 && networks.size === 0) return undefined;
  const own = rangeTable(addresses.map((a) => [a, true] as const));
  return (ip, network) => networks.has(network) || own.find(ip) === true;
}
