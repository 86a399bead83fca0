import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { StoredEvent } from '../../src/core/event.ts';
import { engineAuditStore } from '../../src/ledger/audit/auditStore.ts';
import type { VerifyReport } from '../../src/ledger/audit/findings.ts';
import { verifyLog } from '../../src/ledger/audit/verify.ts';
import { openEmbedded } from '../../src/store/client.ts';
import { type Column, eventColumns } from '../../src/store/columns.ts';
import { checkpointColumns } from '../../src/store/ledgerStore.ts';
import { metaColumns } from '../../src/store/metaAppend.ts';
import { migrate } from '../../src/store/migrate.ts';
import { RowBinaryWriter } from '../../src/store/rowBinary.ts';
import { recordColumns, type SetAsideRow, setAsideColumns } from '../../src/store/tables.ts';
import { tileColumns } from '../../src/store/tileStore.ts';
import type { World, WorldPart, WorldRecord } from './tamperWorld.ts';

/** A real embedded store that is made to hold one world after another. */
export interface WorldStore {
  verify(world: World): Promise<VerifyReport>;
  close(): Promise<void>;
}

/** As it stands in the table, erased or not. */
const worldRecordColumns: readonly Column<WorldRecord>[] = recordColumns.map((c) =>
  c.name === 'sealed'
    ? { ...c, write: (out, r) => out.u8(r.sealed) }
    : { ...c, write: (out, r) => c.write(out, { ...r, writer: 0n }) },
);

export async function openWorldStore(directory: string): Promise<WorldStore> {
  const engine = await openEmbedded(directory);
  await migrate(engine);
  const loaded = new Map<string, readonly unknown[]>();
  /** A table is filled anew only where it is not what it was: most attacks touch one or two. */
  const fill = async <Row>(
    table: string,
    columns: readonly Column<Row>[],
    from: readonly unknown[],
    rows: () => readonly Row[],
  ) => {
    if (loaded.get(table) === from) return;
    await engine.command(`TRUNCATE TABLE ${table} SETTINGS max_table_size_to_drop = 0`);
    const out = new RowBinaryWriter();
    for (const row of rows()) for (const column of columns) column.write(out, row);
    // The engine swallows a block whose token it has seen: an attack and its undoing may look alike.
    if (out.bytes().length > 0) await engine.insert(table, columns, out, randomBytes(16).toString('hex'));
    loaded.set(table, from);
  };
  return {
    async verify(world) {
      await fill('kw.records', worldRecordColumns, world.records, () => world.records);
      await fill('kw.events', eventColumns, world.parts, () => world.parts.flatMap(eventRow));
      await fill('kw.set_aside', setAsideColumns, world.parts, () => world.parts.flatMap(asideRow));
      await fill('kw.meta', metaColumns, world.meta, () => world.meta);
      await fill('kw.checkpoints', checkpointColumns, world.checkpoints, () => world.checkpoints);
      await fill('kw.tiles', tileColumns, world.tiles, () => world.tiles);
      const anchorFile = `${directory}.anchor`;
      writeFileSync(anchorFile, world.anchor);
      return verifyLog(engineAuditStore(engine), world.identity, { anchorFile, now: world.now });
    },
    close: () => engine.close(),
  };
}

const placeOf = ({ stream, partition, epoch, offset, idx, ingestedAt }: WorldPart) => ({
  ...{ stream, partition, epoch, offset, idx, ingested_at: ingestedAt, writer: 0n },
});

function eventRow(part: WorldPart): StoredEvent[] {
  if (part.part.kind !== 'ok') return [];
  // The adapter's object has the stored event's fields from the beginning (src/core/event.ts).
  return [{ ...(part.part.value.event as StoredEvent), ...placeOf(part) }];
}

function asideRow(part: WorldPart): SetAsideRow[] {
  if (part.part.kind === 'ok') return [];
  const { kind, reason, detail = '' } = part.part;
  return [{ ...placeOf(part), outcome: kind, reason, detail }];
}
