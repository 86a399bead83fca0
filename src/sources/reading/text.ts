import { isAscii, isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import type { QuarantineReason } from './reasons.ts';

/** One document file may be a record (docs/ledger.md): the same bound, so that what was taken in can be read. */
const recordBytesMax = 64 * 1024 * 1024;

export type Read<T> =
  | { readonly isOk: true; readonly value: T }
  | { readonly isOk: false; readonly reason: QuarantineReason; readonly detail?: string };

export function failed(reason: QuarantineReason, detail?: string): Read<never> {
  return detail === undefined ? { isOk: false, reason } : { isOk: false, reason, detail };
}

/** Bytes → text from the first `{`, `[` or `"` on: gunzipped, checked as UTF-8, without BOM and syslog prefix. */
export function readText(value: Buffer): Read<string> {
  if (value.length > recordBytesMax) return failed('too_large', `${value.length} bytes`);
  let bytes = value;
  if (value[0] === 0x1f && value[1] === 0x8b) {
    try {
      bytes = gunzipSync(value, { maxOutputLength: recordBytesMax });
    } catch (error) {
      const isBomb = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      return failed(isBomb ? 'too_large' : 'invalid_gzip');
    }
  }
  // One-byte strings parse faster, and nearly every audit record is ASCII.
  if (isAscii(bytes)) return fromJsonStart(bytes.toString('latin1'));
  if (!isUtf8(bytes)) return failed('invalid_utf8');
  return fromJsonStart(bytes.toString('utf8'));
}

/** From the first `{`, `[` or `"` to the last character that is no blank. */
export function fromJsonStart(text: string): Read<string> {
  if (text.charCodeAt(0) === 0x7b && text.charCodeAt(text.length - 1) > 0x20)
    return { isOk: true, value: text };
  const trimmed = text.replace(/^\ufeff/, '').trim();
  if (trimmed === '') return { isOk: true, value: '' };
  const first = trimmed.charCodeAt(0);
  if (first === 0x7b || first === 0x5b || first === 0x22) return { isOk: true, value: trimmed };
  return withoutPrefix(trimmed);
}

/** Syslog (RFC 3164, 5424), `@cee:` and a Vault device's own `prefix` all end where the object begins. */
export function withoutPrefix(text: string): Read<string> {
  const at = text.indexOf('{');
  if (at !== -1) return { isOk: true, value: text.slice(at) };
  return failed(text.includes('\0') ? 'nul' : 'no_json');
}
