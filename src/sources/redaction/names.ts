import { everyShape, isId, isSecretWord } from './shapes.ts';

/** What a key says about itself and about the value below it. */
export const keyKind = { plain: 0, sensitive: 1, exposed: 2, proto: 3 } as const;
export type KeyKind = (typeof keyKind)[keyof typeof keyKind];

const sensitiveEnd =
  /(?:password|passwd|passphrase|pwd|secret|secretkey|privatekey|apikey|accesskey|secretaccesskey|token|tokens|jwt|otp|signature|sig|authorization|cookie|credential|secretid|secretstring|secretbinary|plaintext|connectionstring)$/;
/** End like the above and name a page, a try or a kind, not a secret. */
const harmless =
  /^(?:http|next|continuation|pagination|marker|clientrequest|idempotency|client|page|sync|resume|upload)tokens?$|(?:secretid|token|key)accessor$|^(?:accesskeyid|subjectfromwebidentitytoken)$/;

/** Keys repeat from record to record; those that hold a secret are never kept. */
const known = new Map<string, KeyKind>();
const knownMax = 20_000;

export function kindOfKey(key: string): KeyKind {
  const kind = known.get(key);
  if (kind !== undefined) return kind;
  const judged = judge(key);
  if (judged !== keyKind.exposed) {
    if (known.size >= knownMax) known.clear();
    known.set(key, judged);
  }
  return judged;
}

function judge(key: string): KeyKind {
  if (key === '__proto__') return keyKind.proto;
  everyShape.all.lastIndex = 0;
  if (everyShape.all.test(key) || isSecretWord(key)) return keyKind.exposed;
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  // AWS names a secret by `secretId`; Vault's AppRole has its password in `secret_id`.
  const isHarmless = harmless.test(name) || /^[Ss]ecretId$/.test(key);
  return sensitiveEnd.test(name) && !isHarmless ? keyKind.sensitive : keyKind.plain;
}

/** Under a sensitive key: a text that is no HMAC, mask, id, path, number or word of a closed list. */
export function isSecretValue(value: unknown): value is string {
  if (typeof value !== 'string' || value.length < 4) return false;
  if (value.startsWith('hmac-sha256:')) return false;
  if (isId(value) || /^(?:\/|\.\/|https?:\/\/[^@]*$)/.test(value)) return false;
  return !/^(?:true|false|null|none|\d+|\*+|x+|\[?masked\]?|\[?redacted\]?|<.*>|hidden_due_to_security_reasons)$/i.test(
    value,
  );
}
