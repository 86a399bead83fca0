import { type Level, levelRank } from '../../src/core/signal.ts';

/** What `alerts list --json --all` says of an alert; the optional keys help where they are there. */
export interface ScoredAlert {
  readonly rule: string;
  readonly title: string;
  readonly severity: Level;
  readonly first: string;
  readonly last: string;
  readonly identity: string;
  readonly identityName?: string;
  readonly secret: string;
  readonly secrets?: readonly string[];
  readonly srcIps?: readonly string[];
  readonly sessions?: readonly string[];
  readonly requests: readonly string[];
  readonly summary: string;
  readonly parts?: readonly { readonly rule: string }[];
}

/** A row of truth.ndjson: a planted attack or a benign lookalike. */
export interface TruthCase {
  readonly id: string;
  readonly label: 'attack' | 'benign';
  readonly kind: string;
  readonly principal: string;
  readonly start: string;
  readonly end: string;
  readonly request_ids: readonly string[];
  readonly second_device_request_ids?: readonly string[];
  readonly accessors: readonly string[];
  readonly entity_ids: readonly string[];
  readonly source_ips: readonly string[];
  readonly paths: readonly string[];
  readonly absence?: boolean;
}

export interface Score {
  readonly attacks: number;
  readonly found: readonly {
    readonly id: string;
    readonly kind: string;
    readonly delayMs: number;
    readonly rules: string[];
  }[];
  readonly missed: readonly { readonly id: string; readonly kind: string }[];
  readonly lookalikes: readonly { readonly id: string; readonly kind: string }[];
  readonly falseAlerts: readonly ScoredAlert[];
  readonly falsePerDay: number;
  readonly lowPerDay: number;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * Alerts against planted truth, by the rules of the data's README: an alert of medium or above finds an attack
 * when it overlaps it and at least a fifth of its requests are the attack's, or, where there is no such list,
 * when it names one of its parts. One that finds nothing is false; low is counted apart.
 */
export function score(all: readonly ScoredAlert[], truth: readonly TruthCase[], days: number): Score {
  // Truth speaks of one log: what another log of the same store rang for is neither found nor false.
  const fromMs = Math.min(...truth.map((t) => Date.parse(t.start))) - dayMs;
  const untilMs = fromMs + (days + 2) * dayMs;
  const alerts = all.filter((a) => Date.parse(a.last) >= fromMs && Date.parse(a.first) <= untilMs);
  const loud = alerts.filter((a) => levelRank(a.severity) >= levelRank('medium'));
  const attacks = truth.filter((t) => t.label === 'attack');
  const found = attacks.flatMap((attack) => {
    const hits = loud.filter((a) => finds(a, attack));
    if (hits.length === 0) return [];
    const earliest = Math.min(...hits.map((a) => Date.parse(a.first)));
    const rules = [...new Set(hits.flatMap(ruleNames))];
    return [
      { id: attack.id, kind: attack.kind, delayMs: Math.max(0, earliest - Date.parse(attack.start)), rules },
    ];
  });
  const falseAlerts = loud.filter((a) => !attacks.some((attack) => finds(a, attack)));
  const benign = truth.filter((t) => t.label === 'benign');
  return {
    attacks: attacks.length,
    found,
    missed: attacks.filter((t) => !found.some((f) => f.id === t.id)).map(({ id, kind }) => ({ id, kind })),
    lookalikes: benign.filter((t) => loud.some((a) => finds(a, t))).map(({ id, kind }) => ({ id, kind })),
    falseAlerts,
    falsePerDay: falseAlerts.length / days,
    lowPerDay: alerts.filter((a) => a.severity === 'low').length / days,
  };
}

/** Rules whose signals an alert is made of, as far as it says. */
export function ruleNames(alert: ScoredAlert): string[] {
  return alert.parts?.map((p) => p.rule) ?? [alert.rule];
}

export function finds(alert: ScoredAlert, attack: TruthCase): boolean {
  const [first, last] = [Date.parse(alert.first), Date.parse(alert.last)];
  const [start, end] = [Date.parse(attack.start), Date.parse(attack.end)];
  const overlaps = last >= start - 5 * minuteMs && first <= end + hourMs;
  const own = new Set([...attack.request_ids, ...(attack.second_device_request_ids ?? [])]);
  if (alert.requests.length > 0 && own.size > 0) {
    const shared = alert.requests.filter((r) => own.has(r)).length;
    return overlaps && shared * 5 >= alert.requests.length;
  }
  if (first < start - hourMs || first > end + hourMs) return false;
  if (!isNamed(alert, attack)) return false;
  const isShort = end - start <= dayMs || attack.absence === true;
  return (
    isShort || attack.paths.some((p) => [alert.secret, ...(alert.secrets ?? [])].some((s) => samePath(s, p)))
  );
}

/** An accessor, or the principal, an entity or an address, in a field or in the words. */
function isNamed(alert: ScoredAlert, attack: TruthCase): boolean {
  if (attack.accessors.some((a) => alert.sessions?.includes(a))) return true;
  if (attack.source_ips.some((ip) => alert.srcIps?.includes(ip))) return true;
  const texts = [alert.identity, alert.identityName ?? '', alert.title, alert.summary];
  const names = [attack.principal, ...attack.entity_ids, ...attack.source_ips].filter((n) => n !== '');
  return names.some((name) => texts.some((text) => hasWord(text, name)));
}

/** `k8s-prod-payments-ledger-prod` names `ledger-prod`; `ledger-prod-2` does not. */
function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text.slice(at + word.length, at + word.length + 2);
    if (/[-/:@\s(]/.test(before) && /^(?:$|[@/:,;)\s]|\.(?:$|\s))/.test(after)) return true;
  }
  return false;
}

/** `vault:main/prod/a/b` and the request path `prod/data/a/b` are one. */
function samePath(secret: string, path: string): boolean {
  const plain = path.replace(/^([^/]+)\/(data|metadata|destroy|delete|undelete)\//, '$1/');
  return secret === path || secret.endsWith(`/${plain}`);
}

/** What a person wants to see of a score, one line each. */
export function scoreText(s: Score): string {
  const minutes = (ms: number) => `${(ms / minuteMs).toFixed(0)} min`;
  const delays = s.found.map((f) => f.delayMs).sort((a, b) => a - b);
  return [
    `found ${s.found.length} of ${s.attacks} attacks (recall ${(s.found.length / s.attacks).toFixed(2)})`,
    ...s.found.map((f) => `  ${f.id} ${f.kind}: after ${minutes(f.delayMs)} by ${f.rules.join(', ')}`),
    ...s.missed.map((m) => `  ${m.id} ${m.kind}: MISSED`),
    `false alerts a day: ${s.falsePerDay.toFixed(2)} (${s.falseAlerts.length} in all), low a day: ${s.lowPerDay.toFixed(2)}`,
    `lookalikes that rang: ${s.lookalikes.length} (${s.lookalikes.map((l) => l.id).join(' ')})`,
    `median delay: ${minutes(delays[Math.floor(delays.length / 2)] ?? 0)}`,
  ].join('\n');
}
