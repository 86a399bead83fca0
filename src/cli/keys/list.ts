import { Command, Option } from 'commander';
import { systemClock } from '../../core/clock.ts';
import { readKeyHistory } from '../../ledger/audit/keys.ts';
import { metaOrigin } from '../../ledger/checkpoint.ts';
import { ageDays, type KeyHistory, keyAgeDaysMax } from '../../ledger/keyHistory.ts';
import type { LogIdentity } from '../../ledger/keys.ts';
import { noteVerifier } from '../../ledger/note.ts';
import { dataOption } from '../dataOption.ts';
import { printRows, processTerminal } from '../output.ts';
import { requireIdentity, withStore } from '../withStore.ts';

export function listKeysCommand(): Command {
  return new Command('list')
    .description('every key so far with the leaves of the meta-log it signs for, and the offline root')
    .addOption(new Option('--json', 'NDJSON also on a terminal'))
    .addOption(dataOption())
    .addHelpText('after', '\nExample:\n  keywitness keys list\n')
    .action(async (flags: { data: string; json?: boolean }) => {
      const terminal = processTerminal(flags);
      const identity = requireIdentity(flags.data);
      const history = await withStore(flags.data, (engine) => readKeyHistory(engine, identity));
      const rows = rowsOf(identity, history, systemClock.now());
      printRows(terminal, rows, ['kind', 'id', 'from', 'to', 'since', 'until', 'by', 'days']);
      const days = rows.find((row) => row.kind === 'key' && row.to === null)?.days ?? 0;
      if (days > keyAgeDaysMax) {
        terminal.err.write(`The key has signed for ${days} days: \`keywitness keys rotate\` replaces it.\n`);
      }
      if (history.root() === undefined) {
        terminal.err.write(
          'No offline root: a key that is lost or stolen ends this log. `keywitness keys root` makes one.\n',
        );
      }
    });
}

/** A key signs for the leaves `from` to `to`, null = to this day. */
function rowsOf({ logId }: LogIdentity, history: KeyHistory, now: number) {
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const vkeyOf = (key: Buffer) => noteVerifier(metaOrigin(logId), key).vkey;
  const eras = history.eras();
  const keys = eras.map((era, i) => {
    const after = eras[i + 1];
    return {
      kind: 'key',
      id: vkeyOf(era.publicKey).split('+')[1],
      vkey: vkeyOf(era.publicKey),
      from: era.from,
      to: after === undefined ? null : after.from - 1,
      since: iso(era.since),
      until: iso(after?.since),
      by: era.by,
      days: era.since === undefined ? null : ageDays(era.since, after?.since ?? now),
    };
  });
  const root = history.root();
  if (root === undefined) return keys;
  const days = ageDays(root.since, now);
  return [
    ...keys,
    {
      kind: 'root',
      id: root.publicKey.toString('hex', 0, 4),
      vkey: root.publicKey.toString('base64'),
      from: root.leaf,
      to: null,
      since: iso(root.since),
      until: null,
      by: '',
      days,
    },
  ];
}
