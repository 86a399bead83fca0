import { KeywitnessError } from '../core/errors.ts';

/** What the system says of a file that the command line names, in words: KW_USAGE. Any other error as it is. */
export function fileError(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('syscall' in cause)) return cause;
  const { code, path: place } = cause as NodeJS.ErrnoException;
  const detail = `${place ?? path} cannot be read or written (${code}).`;
  return new KeywitnessError('KW_USAGE', detail, { cause });
}
