/**
 * Every error an operator can meet: code, sentence, exit code. docs/errors.md has one anchor for each;
 * a test keeps the two equal.
 */
export const errorTable = {
  KW_USAGE: { exit: 2, sentence: 'The command line is wrong.' },
  KW_INPUT: { exit: 2, sentence: 'The input could not be read.' },
  KW_SOURCE_UNKNOWN: { exit: 2, sentence: 'There is no source of that name.' },
  KW_EVENT_UNKNOWN: { exit: 2, sentence: 'There is no such event in the store.' },
  KW_EVENT_GONE: { exit: 2, sentence: 'The event was lawfully dropped or erased.' },
  KW_ALERT_UNKNOWN: { exit: 2, sentence: 'There is no such alert in the store.' },
  KW_HELD: { exit: 1, sentence: 'A legal hold is in force.' },
  KW_QUERY_REFUSED: { exit: 2, sentence: 'The query is not one read-only statement.' },
  KW_QUERY_FAILED: { exit: 2, sentence: 'The query could not be answered.' },
  KW_CONFIG: { exit: 3, sentence: 'The configuration is wrong.' },
  KW_CATALOG: { exit: 3, sentence: 'The catalog is wrong.' },
  KW_RULES: { exit: 3, sentence: 'A rule file does not load.' },
  KW_DATA_HELD: { exit: 4, sentence: 'Another process holds the data directory or state file.' },
  KW_DATA_MISSING: { exit: 4, sentence: 'There is no store in the data directory.' },
  KW_STORE: { exit: 4, sentence: 'The store refused or did not answer.' },
  KW_STORE_READBACK: { exit: 4, sentence: 'What was read back from the store is not what was written.' },
  KW_FENCED: { exit: 4, sentence: 'Another instance has taken over.' },
  KW_CONTROL: { exit: 4, sentence: 'The control topic cannot be used.' },
  KW_BROKER: { exit: 4, sentence: 'Kafka did not answer, or cannot be read.' },
  KW_LEDGER_BROKEN: { exit: 4, sentence: 'The ledger contradicts what was signed.' },
  KW_RETENTION: { exit: 4, sentence: 'Nothing may be dropped or erased as the store stands.' },
  KW_ANCHOR: { exit: 4, sentence: 'The anchor file cannot be written.' },
  KW_WITNESS: { exit: 4, sentence: 'A witness is away or refuses.' },
  KW_WITNESS_FORK: { exit: 4, sentence: 'A witness remembers another history of this log.' },
  KW_WITNESS_STATE: { exit: 4, sentence: 'The state of the witness cannot be used.' },
  KW_KEY: { exit: 4, sentence: 'The signing key is missing or cannot be read.' },
  KW_LISTEN: { exit: 3, sentence: 'The listening address is not allowed without TLS or `insecure`.' },
} as const satisfies Record<string, { exit: number; sentence: string }>;

export type ErrorCode = keyof typeof errorTable;

/** An error for the reader at 3 a.m.: what happened, where, what was not lost, what to do. Holds no secret. */
export class KeywitnessError extends Error {
  readonly code: ErrorCode;
  readonly exit: number;
  constructor(code: ErrorCode, what: string, options?: { cause?: unknown }) {
    super(`${code}: ${errorTable[code].sentence} ${what}`, options);
    this.name = 'KeywitnessError';
    this.code = code;
    this.exit = errorTable[code].exit;
  }
}
