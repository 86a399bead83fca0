/**
 * What every message says, before it is Slack blocks or a mail: who, which secret, what happened, how unusual,
 * since when, what to do, how to see the evidence. Sessions are counted, never shown: an accessor is a handle.
 */
import type { Message } from '../../core/notifier.ts';
import type { Alert, Level } from '../../core/signal.ts';
import { clean } from './clean.ts';

export interface Story {
  readonly severity: Level;
  readonly title: string;
  /** `[HIGH] rule: entity (n)` */
  readonly subject: string;
  /** One line for a phone's lock screen. */
  readonly oneLine: string;
  readonly facts: readonly { readonly label: string; readonly text: string }[];
  /** How unusual: one sentence a part, with how often; no title where the headline says it. */
  readonly parts: readonly {
    readonly title: string;
    readonly sentence: string;
    readonly count: number;
    readonly level: Level;
  }[];
  readonly advice: string;
  readonly commands: readonly { readonly why: string; readonly command: string }[];
  readonly footer: string;
  readonly change: string;
}

/** Parts and alerts beyond this are named by number: a message is read in a minute or not at all. */
const rowsMax = 8;

const changeText = { new: '', updated: 'Updated: ', raised: 'Raised: ', repeated: 'Still open: ' } as const;

export function storyOf(message: Message, command: string): Story {
  return message.kind === 'alert'
    ? alertStory(message.alert, changeText[message.change], command)
    : rollup(message, command);
}

function alertStory(alert: Alert, change: string, command: string): Story {
  const who = nameAndId(clean(alert.identityName, 200), clean(alert.identity, 200));
  const title = clean(alert.title, 200);
  return {
    severity: alert.severity,
    title,
    subject: clean(
      `[${alert.severity.toUpperCase()}] ${alert.title}: ${alert.identityName || alert.identity} (${alert.eventsTotal})`,
      200,
    ),
    oneLine: clean(
      `${change}${alert.severity.toUpperCase()}: ${title}. ${who}${alert.secret ? `, ${alert.secret}` : ''}. ${alert.summary}`,
      600,
    ),
    facts: alertFacts(alert, who),
    parts: alertParts(alert),
    advice:
      clean(alert.advice, 1500) ||
      'Ask the person or the owner whether this was meant; if not, revoke the session and rotate what it read.',
    commands: alertCommands(alert, command),
    footer: `Alert ${alert.id} · rule ${clean(alert.rule, 100)} · times in UTC`,
    change,
  };
}

function alertFacts(alert: Alert, who: string): Story['facts'] {
  return [
    { label: 'Who', text: who },
    ...(alert.srcIps.length > 0 ? [{ label: 'From', text: list(alert.srcIps, 3) }] : []),
    ...(alert.secrets.length > 0 ? [{ label: 'Secret or path', text: secretsText(alert) }] : []),
    ...(alert.owner ? [{ label: 'Owner', text: clean(alert.owner, 200) }] : []),
    { label: 'Since', text: period(alert.first, alert.last) },
    { label: 'Seen', text: countsText(alert) },
  ];
}

function alertParts(alert: Alert): Story['parts'] {
  const shown = alert.parts.slice(0, rowsMax).map((p) => ({
    // A lone part is named by the headline already.
    title: alert.parts.length === 1 ? '' : clean(p.title, 200),
    sentence: clean(p.sentence, 600),
    count: p.count,
    level: p.level,
  }));
  return [...shown, ...andMore(alert.parts.length - shown.length, 'more signs')];
}

/** What a message has no room for is said by number. */
function andMore(rest: number, what: string): Story['parts'] {
  if (rest <= 0) return [];
  return [{ title: `${rest} ${what}`, sentence: 'See the command below.', count: 1, level: 'low' }];
}

function rollup(message: Extract<Message, { kind: 'rollup' }>, command: string): Story {
  const title = clean(`${message.count} more alerts: ${message.title}`, 200);
  const shown = message.alerts.slice(0, rowsMax);
  const rest = message.count - shown.length;
  const entities = new Set(message.alerts.map((a) => a.identityName || a.identity));
  return {
    severity: message.severity,
    title,
    subject: clean(`[${message.severity.toUpperCase()}] ${message.title}: ${message.count} more alerts`, 200),
    oneLine: clean(`${message.severity.toUpperCase()}: ${title}`, 600),
    facts: [
      { label: 'Who', text: list([...entities], 5) },
      { label: 'Since', text: period(message.from, message.until) },
      {
        label: 'Seen',
        text: `${message.count} alerts of one rule in an hour: told together, so that it does not flood`,
      },
    ],
    parts: [
      ...shown.map((a) => ({
        title: clean(a.identityName || a.identity, 200),
        sentence: clean(a.summary, 300),
        count: 1,
        level: a.severity,
      })),
      ...andMore(rest, 'more'),
    ],
    advice: 'Look whether the rule is wrong or the trouble is: one cause usually stands behind such a burst.',
    commands: [{ why: 'All open alerts', command: `${command} alerts list` }],
    footer: `Rule ${clean(message.rule, 100)} · times in UTC`,
    change: changeText[message.change],
  };
}

function alertCommands(alert: Alert, command: string): Story['commands'] {
  const out = [{ why: 'Everything about it', command: `${command} alerts show ${alert.id}` }];
  if (alert.requests.length > 0) {
    const columns = 'time, phase, actor_name, action, outcome, object_id, src_ip';
    const mine = `SELECT arrayJoin(requests) FROM alerts FINAL WHERE id = '${alert.id}'`;
    const sql = `SELECT ${columns} FROM events WHERE request_id IN (${mine}) ORDER BY time`;
    out.push({ why: 'The calls themselves', command: `${command} query "${sql}"` });
  }
  const event = alert.events.find(isPlain);
  if (event) out.push({ why: 'Proof for a third party', command: `${command} prove ${event} --out proof` });
  out.push({ why: 'Taking it', command: `${command} alerts ack ${alert.id} --by YOUR-NAME --reason "…"` });
  return out;
}

/** Pasted into a shell and into SQL: anything that could mean something there is left out. */
function isPlain(text: string): boolean {
  return /^[A-Za-z0-9._:/-]{1,200}$/.test(text) && clean(text, 300) === text;
}

function nameAndId(name: string, id: string): string {
  if (name === '') return id;
  return name.includes(id) ? name : `${name} (${id})`;
}

function secretsText(alert: Alert): string {
  const first = alert.secret || (alert.secrets[0] ?? '');
  return list([first, ...alert.secrets.filter((s) => s !== first)], 3);
}

function countsText(alert: Alert): string {
  const parts = [plural(alert.eventsTotal, 'event')];
  if (alert.srcIps.length > 1) parts.push(`${alert.srcIps.length} addresses`);
  if (alert.sessions.length > 0) parts.push(plural(alert.sessions.length, 'session'));
  return parts.join(', ');
}

function list(items: readonly string[], max: number): string {
  const shown = items
    .slice(0, max)
    .map((i) => clean(i, 200))
    .join(', ');
  return items.length > max ? `${shown} and ${items.length - max} more` : shown;
}

function period(first: string, last: string): string {
  const from = first.slice(0, 16).replace('T', ' ');
  const until =
    last.slice(0, 10) === first.slice(0, 10) ? last.slice(11, 16) : last.slice(0, 16).replace('T', ' ');
  return from.endsWith(until) ? `${from} UTC` : `${from} to ${until} UTC`;
}

function plural(n: number, word: string): string {
  return `${n.toLocaleString('en-US')} ${word}${n === 1 ? '' : 's'}`;
}
