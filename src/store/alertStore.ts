import { createHash } from 'node:crypto';
import type { Alert, AlertState, Level } from '../core/signal.ts';
import type { Engine } from './client.ts';
import { type Column, millis, text, texts, u32, u64 } from './columns.ts';
import { writeRows } from './writer.ts';

/** What a stored alert is named by, so that a restart gives the same names (src/alert/group.ts has the meaning). */
interface AlertAnchor {
  readonly rule: string;
  readonly group: string;
  readonly signal: string;
  readonly time: number;
}

/** An alert with what the grouping needs to find it again. */
interface GroupedAlert {
  readonly alert: Alert;
  readonly group: string;
  readonly anchor?: AlertAnchor;
  /** Set when the alert turned out to belong to another story. */
  readonly replacedBy?: string;
}

/** What a person decided about an alert. */
export interface AlertAct {
  readonly alert: string;
  readonly at: number;
  readonly state: AlertState;
  readonly by: string;
  readonly reason: string;
}

interface AlertRow extends GroupedAlert {
  readonly version: number;
  readonly content: string;
  readonly storedAt: number;
}

// biome-ignore format: one column a line, in the table's order
export const alertColumns: readonly Column<AlertRow>[] = [
  text('id', (r) => r.alert.id), u32('version', (r) => r.version), text('content', (r) => r.content),
  text('rule', (r) => r.alert.rule), text('title', (r) => r.alert.title), text('severity', (r) => r.alert.severity),
  millis('first', (r) => Date.parse(r.alert.first)), millis('last', (r) => Date.parse(r.alert.last)),
  text('entity', (r) => r.group), text('identity', (r) => r.alert.identity), text('identity_name', (r) => r.alert.identityName),
  text('secret', (r) => r.alert.secret), texts('secrets', (r) => r.alert.secrets), texts('src_ips', (r) => r.alert.srcIps),
  texts('sessions', (r) => r.alert.sessions), text('owner', (r) => r.alert.owner),
  texts('requests', (r) => r.alert.requests), texts('events', (r) => r.alert.events),
  u64('events_total', (r) => BigInt(r.alert.eventsTotal)),
  text('summary', (r) => r.alert.summary), text('advice', (r) => r.alert.advice), text('parts', (r) => JSON.stringify(r.alert.parts)),
  text('anchor_rule', (r) => r.anchor?.rule ?? ''), text('anchor_signal', (r) => r.anchor?.signal ?? ''),
  millis('anchor_time', (r) => r.anchor?.time ?? 0),
  text('replaced_by', (r) => r.replacedBy ?? ''), millis('stored_at', (r) => r.storedAt),
];

export const actColumns: readonly Column<AlertAct>[] = [
  text('alert', (r) => r.alert),
  millis('at', (r) => r.at),
  text('state', (r) => r.state),
  text('by', (r) => r.by),
  text('reason', (r) => r.reason),
];

/** Alerts as they stand: the newest version of each, with the state people gave it last. */
const selectAlerts =
  'SELECT a.*, toUnixTimestamp64Milli(first) AS first_ms, toUnixTimestamp64Milli(last) AS last_ms, ' +
  'toUnixTimestamp64Milli(anchor_time) AS anchor_ms, s.state AS state FROM (SELECT * FROM kw.alerts FINAL) AS a ' +
  'LEFT JOIN (SELECT alert, argMax(state, at) AS state FROM kw.alert_acts GROUP BY alert) AS s ON s.alert = a.id ';

export interface AlertStore {
  /**
   * Stores what is new or says something new, and returns those alerts with their state.
   * The same alerts again write nothing.
   */
  save(alerts: readonly GroupedAlert[], now: number): Promise<Alert[]>;
  byId(ids: readonly string[]): Promise<Alert[]>;
  /** Ids that begin so, for people who type. */
  byPrefix(prefix: string): Promise<Alert[]>;
  /** Newest first; without `all` only what nobody has taken yet. Alerts that belong to another story are left out. */
  list(options: { readonly all: boolean }): Promise<Alert[]>;
  /** With anchors, of alerts whose last event is not before `since`, in ms. */
  grouped(since: number): Promise<GroupedAlert[]>;
  /** Alerts whose newest version was stored at or after `since`, in ms. */
  storedSince(since: number): Promise<Alert[]>;
  act(act: AlertAct): Promise<void>;
  acts(id: string): Promise<AlertAct[]>;
}

export function openAlertStore(engine: Engine): AlertStore {
  const select = async (where: string, params: Record<string, string | number | readonly string[]>) =>
    (await engine.rows(selectAlerts + where, params)).map(groupedAlert);
  const byId = async (ids: readonly string[]) =>
    ids.length === 0 ? [] : (await select('WHERE id IN {ids:Array(String)}', { ids })).map((g) => g.alert);

  return {
    byId,
    async save(alerts, now) {
      const ids = alerts.map((g) => g.alert.id);
      if (ids.length === 0) return [];
      const stored = await engine.rows(
        'SELECT id, version, content FROM kw.alerts FINAL WHERE id IN {ids:Array(String)}',
        { ids },
      );
      const before = new Map(stored.map((r) => [String(r.id), r]));
      const rows = alerts.flatMap((g): AlertRow[] => {
        const old = before.get(g.alert.id);
        const content = contentOf(g);
        if (old?.content === content) return [];
        return [{ ...g, content, version: Number(old?.version ?? 0) + 1, storedAt: now }];
      });
      await writeRows(engine, 'kw.alerts', alertColumns, rows);
      return byId(rows.filter((r) => !r.replacedBy).map((r) => r.alert.id));
    },
    byPrefix: async (prefix) =>
      (await select('WHERE startsWith(id, {prefix:String}) LIMIT 20', { prefix })).map((g) => g.alert),
    list: async ({ all }) => {
      const open = all ? '' : "AND s.state IN ('', 'open') ";
      return (await select(`WHERE replaced_by = '' ${open}ORDER BY first DESC, id`, {})).map((g) => g.alert);
    },
    grouped: (since) =>
      select("WHERE replaced_by = '' AND toUnixTimestamp64Milli(last) >= {since:Int64} ORDER BY first, id", {
        since,
      }),
    storedSince: async (since) =>
      (
        await select(
          "WHERE replaced_by = '' AND stored_at >= fromUnixTimestamp64Milli({since:Int64}) ORDER BY first, id",
          { since },
        )
      ).map((g) => g.alert),
    act: (act) => writeRows(engine, 'kw.alert_acts', actColumns, [act]),
    async acts(id) {
      const rows = await engine.rows(
        'SELECT toUnixTimestamp64Milli(at) AS ms, state, by, reason FROM kw.alert_acts WHERE alert = {id:String} ORDER BY at',
        { id },
      );
      return rows.map((r) => ({
        alert: id,
        at: Number(r.ms),
        state: String(r.state) as AlertState,
        by: String(r.by),
        reason: String(r.reason),
      }));
    },
  };
}

/** The state is people's and not part of what an alert says. */
function contentOf({ alert, group, anchor, replacedBy }: GroupedAlert): string {
  const said = JSON.stringify([{ ...alert, state: 'open' }, group, anchor ?? null, replacedBy ?? '']);
  return createHash('sha256').update(said).digest('hex');
}

function groupedAlert(r: Record<string, unknown>): GroupedAlert {
  const group = String(r.entity);
  const signal = String(r.anchor_signal);
  const anchor = { rule: String(r.anchor_rule), group, signal, time: Number(r.anchor_ms) };
  const replacedBy = String(r.replaced_by);
  return {
    group,
    ...(signal === '' ? {} : { anchor }),
    ...(replacedBy === '' ? {} : { replacedBy }),
    alert: {
      id: String(r.id),
      rule: String(r.rule),
      title: String(r.title),
      severity: String(r.severity) as Level,
      state: (String(r.state ?? '') || 'open') as AlertState,
      first: new Date(Number(r.first_ms)).toISOString(),
      last: new Date(Number(r.last_ms)).toISOString(),
      identity: String(r.identity),
      identityName: String(r.identity_name),
      secret: String(r.secret),
      secrets: r.secrets as string[],
      srcIps: r.src_ips as string[],
      sessions: r.sessions as string[],
      owner: String(r.owner),
      requests: r.requests as string[],
      events: r.events as string[],
      eventsTotal: Number(r.events_total),
      summary: String(r.summary),
      advice: String(r.advice),
      parts: JSON.parse(String(r.parts)) as Alert['parts'],
    },
  };
}
