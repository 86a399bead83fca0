import { type Native, objectOf, textOf } from '../reading/fields.ts';
import { isSecretWord } from '../redaction/shapes.ts';
import type { SecretPlace } from '../source.ts';
import { isHmac } from './facts.ts';

/** A path with more secret words than this goes whole: each word is looked for in every string of the record. */
const wordsMax = 8;

/** Login names and path segments that no person would choose as a name; everything, when the device writes raw. */
export function secretPlaces(native: unknown): readonly SecretPlace[] {
  const entry = objectOf(native);
  const request = objectOf(entry.request);
  const places = rawPlaces(entry, request);
  const path = textOf(request.path);
  if (!isPlainPath(path)) {
    const words = new Set(path.split('/').filter(isSecretWord));
    if (words.size > wordsMax) places.push({ at: ['request', 'path'] });
    else for (const text of words) places.push({ at: ['request', 'path'], text });
  }
  return places;
}

const rawTokens = [
  ['auth', 'client_token'],
  ['request', 'client_token'],
  ['response', 'auth', 'client_token'],
  ['response', 'wrap_info', 'token'],
] as const;
const dataPlaces = [
  ['request', 'data'],
  ['response', 'data'],
] as const;

/** A token that is no HMAC: the device has `log_raw`, and nothing in `data` was hashed either. */
function rawPlaces(entry: Native, request: Native): SecretPlace[] {
  return isRaw(entry, request) ? [...rawTokens, ...dataPlaces].map((at) => ({ at })) : [];
}

/** The device has `log_raw`: its tokens are no HMACs. */
export function isRaw(entry: Native, request: Native): boolean {
  return (
    isRawToken(objectOf(entry.auth).client_token) ||
    isRawToken(request.client_token) ||
    isRawToken(objectOf(objectOf(entry.response).auth).client_token)
  );
}

function isRawToken(token: unknown): boolean {
  return typeof token === 'string' && token !== '' && !isHmac(token);
}

/** Paths repeat; those with a secret word are not kept. Lease ids are random by nature and no secrets. */
const plainPaths = new Set<string>();
const plainPathsMax = 50_000;

function isPlainPath(path: string): boolean {
  if (plainPaths.has(path)) return true;
  const isPlain = path.startsWith('sys/leases/') || !path.split('/').some(isSecretWord);
  if (isPlain) {
    if (plainPaths.size >= plainPathsMax) plainPaths.clear();
    plainPaths.add(path);
  }
  return isPlain;
}
