import { readFileSync, statSync } from 'node:fs';
import { KeywitnessError } from '../../core/errors.ts';
import { type NoteVerifier, parseVerifierKey } from '../note.ts';
import { vouching } from '../offline/trust.ts';

/** The logs a witness knows: the keys it trusts for each origin, read again when their file changed. */
export interface KnownLogs {
  /** Keys trusted for this origin; none = the log is unknown. */
  verifiers(origin: string): readonly NoteVerifier[];
  readonly count: number;
}

/**
 * Opens a file of vkeys, one a line; blank lines and lines that begin with # say nothing. A missing file knows no
 * log yet. A file that becomes unreadable while the witness runs leaves the logs it knew: `onTrouble` hears why.
 * @throws KW_CONFIG when it cannot be read at the start
 */
export function openKnownLogs(path: string, onTrouble: (error: unknown) => void): KnownLogs {
  let version = versionOf(path);
  let keys = readKeyLines(path, version);
  const refresh = () => {
    try {
      const now = versionOf(path);
      if (now === version) return;
      version = now;
      keys = readKeyLines(path, now);
    } catch (error) {
      onTrouble(error);
    }
  };
  return {
    verifiers(origin) {
      refresh();
      // One key signs a whole log: pinned for its meta-log it holds for its streams too.
      return vouching(keys, origin);
    },
    get count() {
      return keys.length;
    },
  };
}

/** Changes whenever the file was written or replaced; '' = there is none. */
function versionOf(path: string): string {
  const stat = reading(path, () => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}

function readKeyLines(path: string, version: string): NoteVerifier[] {
  if (version === '') return [];
  const wrong = (line: number) =>
    new KeywitnessError('KW_CONFIG', `${path}:${line}: not a vkey of an Ed25519 log (name+id+base64).`);
  return reading(path, () => readFileSync(path, 'utf8'))
    .split('\n')
    .map((line, i) => ({ text: line.trim(), number: i + 1 }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'))
    .map(({ text, number }) => {
      const key = parseVerifierKey(text);
      if (key === undefined) throw wrong(number);
      return key;
    });
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error';
    throw new KeywitnessError('KW_CONFIG', `${path} cannot be read (${code}).`, { cause });
  }
}
