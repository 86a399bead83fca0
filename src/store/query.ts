import type { Engine, Params } from './client.ts';

/** Who looks: every named query over events takes one, the seed of visibility by role. */
export type Viewer =
  | { readonly sees: 'all' }
  | { readonly sees: 'production' }
  | { readonly sees: 'own'; readonly team: string };

export const seesAll: Viewer = { sees: 'all' };

/** The condition every named query over `events` carries; its parameters come from the viewer. */
export const visible =
  "({viewer:String} = 'all' OR ({viewer:String} = 'production' AND env = 'production') OR ({viewer:String} = 'own' AND owner = {viewer_team:String}))";

function viewerParams(viewer: Viewer): Params {
  return { viewer: viewer.sees, viewer_team: viewer.sees === 'own' ? viewer.team : '' };
}

/** A named query: its SQL, its parameters' type and how a row reads. */
export interface NamedQuery<P extends Params, Row> {
  readonly sql: string;
  readonly row: (raw: Record<string, unknown>) => Row;
  readonly _params?: P;
}

export function defineQuery<P extends Params, Row>(
  sql: string,
  row: (raw: Record<string, unknown>) => Row,
): NamedQuery<P, Row> {
  return { sql, row };
}

/** Runs a named query for one viewer. @throws KW_STORE */
export async function runQuery<P extends Params, Row>(
  engine: Engine,
  query: NamedQuery<P, Row>,
  params: P,
  viewer: Viewer,
): Promise<Row[]> {
  const rows = await engine.rows(query.sql, { ...params, ...viewerParams(viewer) });
  return rows.map(query.row);
}
