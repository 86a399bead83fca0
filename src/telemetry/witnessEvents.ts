/** What can happen at a witness. One function an event: log line and metric together. */
import { errorText, type Telemetry } from './telemetry.ts';

interface Seen {
  readonly origin: string;
  readonly size: number;
}

export function witnessStarted(
  t: Telemetry,
  at: { readonly listen: string; readonly state: string; readonly keys: string; readonly logs: number },
): void {
  t.log.info({ event: 'witness_started', ...at }, 'the witness listens');
  if (at.logs > 0) return;
  t.log.warn(
    { event: 'witness_knows_nobody', file: at.keys },
    'this witness knows no log yet: write the vkeys of the logs to the file, one a line',
  );
}

/** Whoever reads the file can cosign in the witness's name. */
export function witnessKeyPlain(t: Telemetry, file: string): void {
  t.log.warn(
    { event: 'witness_key_plain', file },
    'the key lies on the disk in plain: KEYWITNESS_KEY_PASSPHRASE_FILE encrypts a new one',
  );
}

export function witnessStopped(t: Telemetry): void {
  t.log.info({ event: 'witness_stopped' }, 'the witness stopped');
}

export function addCheckpointAnswered(t: Telemetry, status: number): void {
  t.metrics.httpRequests.inc({ route: 'add-checkpoint', status: String(status) });
}

export function checkpointCosigned(t: Telemetry, { origin, size }: Seen): void {
  t.log.debug({ event: 'checkpoint_cosigned', origin, size }, 'cosigned');
}

/**
 * Signed by the log, and not proved to continue what it signed before. Two roots of one size are a fork for certain;
 * a proof that does not hold may be somebody's mistake. The note is the evidence.
 */
export function contradictionRefused(
  t: Telemetry,
  what: {
    readonly status: 409 | 422;
    readonly submitted: Seen;
    readonly note: string;
    readonly latest: Seen & { readonly root: Buffer };
  },
): void {
  const { origin, size } = what.submitted;
  const latest = { size: what.latest.size, root: what.latest.root.toString('base64') };
  const line = { event: 'contradiction_refused', origin, size, latest, note: what.note };
  if (what.status === 409) {
    t.log.error(line, 'a log signed two roots of one size; refused. Keep this line and ask its operator.');
  } else t.log.warn(line, 'a checkpoint came without a proof that it continues the one before; refused');
}

export function stateNotWritten(t: Telemetry, error: unknown): void {
  t.log.error(
    { event: 'witness_state_not_written', reason: errorText(error) },
    'the state file could not be written, so nothing is cosigned. Free the disk or mend its rights.',
  );
}

export function logKeysUnreadable(t: Telemetry, error: unknown): void {
  t.log.error(
    { event: 'log_keys_unreadable', reason: errorText(error) },
    'the changed file of log keys is not used; the keys read before still hold',
  );
}
