import { type Diagnostic, didYouMean, type Path, type PositionedYaml } from '../config/diagnostics.ts';
import { actions } from '../core/event.ts';
import { explainableWord, softKinds } from './calendar.ts';
import type { CatalogDocument } from './catalog.ts';
import { compileHours } from './hours.ts';
import { parseRange } from './network.ts';
import { dayOf, isZone } from './zone.ts';

/** What a JSON Schema cannot say: names that must be known, ranges, zones, days that exist. */
export function catalogChecks(document: CatalogDocument, yaml: PositionedYaml): Diagnostic[] {
  const found: Diagnostic[] = [];
  const say = (path: Path, message: string) => void found.push(yaml.diagnostic(path, message));
  const checks = {
    say,
    teams: Object.keys(document.teams ?? {}),
    networks: Object.keys(document.networks ?? {}),
  };
  checkPlaces(document, checks);
  checkIdentities(document, checks);
  checkWindows(document, checks);
  checkSame(document, checks);
  return found;
}

interface Checks {
  readonly say: (path: Path, message: string) => void;
  readonly teams: readonly string[];
  readonly networks: readonly string[];
}

function checkPlaces(document: CatalogDocument, { say, teams }: Checks): void {
  checkZone(document.zone, ['zone'], say);
  checkHours(document.hours, ['hours'], say);
  checkDays(document.holidays, ['holidays'], say);
  for (const [name, team] of Object.entries(document.teams ?? {})) {
    checkZone(team.zone, ['teams', name, 'zone'], say);
    checkHours(team.hours, ['teams', name, 'hours'], say);
    checkDays(team.holidays, ['teams', name, 'holidays'], say);
  }
  for (const [i, secret] of (document.secrets ?? []).entries()) {
    checkKnown(secret.owner, teams, 'team', ['secrets', i, 'owner'], say);
  }
  for (const [name, network] of Object.entries(document.networks ?? {})) {
    for (const [i, cidr] of network.cidrs.entries()) checkRange(cidr, ['networks', name, 'cidrs', i], say);
  }
  for (const [i, row] of (document.geo ?? []).entries()) checkRange(row.cidr, ['geo', i, 'cidr'], say);
}

function checkIdentities(document: CatalogDocument, { say, teams, networks }: Checks): void {
  for (const [i, identity] of (document.identities ?? []).entries()) {
    const at = (...path: Path): Path => ['identities', i, ...path];
    checkKnown(identity.team, teams, 'team', at('team'), say);
    checkZone(identity.zone, at('zone'), say);
    checkHours(identity.hours, at('hours'), say);
    checkHours(identity.deploy_window, at('deploy_window'), say);
    for (const [j, cidr] of (identity.addresses ?? []).entries()) checkRange(cidr, at('addresses', j), say);
    for (const [j, name] of (identity.networks ?? []).entries())
      checkKnown(name, networks, 'network', at('networks', j), say);
    checkDays(identity.from ? [identity.from] : [], at('from'), say);
    checkDays(identity.until ? [identity.until] : [], at('until'), say);
    for (const [j, span] of (identity.away ?? []).entries()) {
      const [from = '', until = ''] = span.split('/');
      checkDays([from, until], at('away', j), say);
      if (dayOf(until) < dayOf(from)) say(at('away', j), 'ends before it begins');
    }
  }
}

function checkWindows(document: CatalogDocument, { say, teams, networks }: Checks): void {
  const people = (document.identities ?? []).flatMap((i) => i.person ?? []);
  for (const [i, entry] of (document.calendar ?? []).entries()) {
    checkSpan(entry.from, entry.until, ['calendar', i], say);
    checkWords(entry.explains, ['calendar', i, 'explains'], say);
    checkKnown(entry.for.team, teams, 'team', ['calendar', i, 'for', 'team'], say);
    checkKnown(entry.for.network, networks, 'network', ['calendar', i, 'for', 'network'], say);
  }
  for (const [i, entry] of (document.on_call ?? []).entries()) {
    checkSpan(entry.from, entry.until, ['on_call', i], say);
    checkWords(entry.explains, ['on_call', i, 'explains'], say);
    checkKnown(entry.person, people, 'person of `identities`', ['on_call', i, 'person'], say);
  }
}

function checkWords(words: readonly string[] | undefined, path: Path, say: Checks['say']): void {
  const known = [...softKinds, ...actions];
  for (const [i, word] of (words ?? []).entries()) {
    if (explainableWord(word) !== undefined) continue;
    say([...path, i], `\`${word}\` is neither an action nor a kind of signal${didYouMean(word, known)}`);
  }
}

function checkSame(document: CatalogDocument, { say }: Checks): void {
  const seen = new Set<string>();
  for (const [i, list] of (document.same ?? []).entries()) {
    for (const [j, id] of list.entries()) {
      if (seen.has(id)) say(['same', i, j], `\`${id}\` stands in more than one list or twice`);
      seen.add(id);
    }
  }
}

function checkSpan(from: string, until: string, path: Path, say: Checks['say']): void {
  const [start, end] = [Date.parse(from), Date.parse(until)];
  if (Number.isNaN(start)) say([...path, 'from'], `\`${from}\` is no time that exists`);
  if (Number.isNaN(end)) say([...path, 'until'], `\`${until}\` is no time that exists`);
  if (end < start) say([...path, 'until'], 'ends before it begins');
}

function checkKnown(
  name: string | undefined,
  known: readonly string[],
  what: string,
  path: Path,
  say: Checks['say'],
): void {
  if (name === undefined || known.includes(name)) return;
  say(path, `there is no ${what} \`${name}\`${didYouMean(name, known)}`);
}

function checkZone(zone: string | undefined, path: Path, say: Checks['say']): void {
  if (zone !== undefined && !isZone(zone)) {
    say(path, `there is no zone \`${zone}\`${didYouMean(zone, Intl.supportedValuesOf('timeZone'))}`);
  }
}

function checkHours(hours: string | undefined, path: Path, say: Checks['say']): void {
  if (hours === undefined) return;
  const isSane = [...hours.matchAll(/(\d{2}):(\d{2})/g)].every(
    (m) => Number(m[2]) < 60 && Number(m[1]) * 60 + Number(m[2]) <= 1440,
  );
  if (!isSane) say(path, `\`${hours}\` holds no time of day`);
  else compileHours(hours);
}

function checkDays(days: readonly string[] | undefined, path: Path, say: Checks['say']): void {
  for (const [i, day] of (days ?? []).entries()) {
    // 2026-02-30 parses as 2 March in some engines and as NaN in others.
    const ms = Date.parse(`${day}T00:00:00Z`);
    if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== day)
      say([...path, i], `there is no day ${day}`);
  }
}

function checkRange(cidr: string, path: Path, say: Checks['say']): void {
  if (parseRange(cidr) === undefined) say(path, `\`${cidr}\` is no address or range`);
}
