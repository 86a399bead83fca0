import { createHash, timingSafeEqual } from 'node:crypto';

const tokenHash = /^sha256:([0-9a-f]{64})$/;

/**
 * Is this the `Authorization` header of one of the tokens with these hashes? Two are valid at once, so that a
 * token can be replaced without a gap. All are compared, in constant time: neither the number of equal bytes nor
 * which token it was shows in the time the answer takes.
 */
export function isAuthorised(header: string | undefined, hashes: readonly string[]): boolean {
  const given = createHash('sha256')
    .update(/^Bearer ([^\s]+)$/i.exec(header ?? '')?.[1] ?? '')
    .digest();
  let isKnown = false;
  for (const text of hashes) {
    const hex = tokenHash.exec(text)?.[1];
    if (hex !== undefined && timingSafeEqual(given, Buffer.from(hex, 'hex'))) isKnown = true;
  }
  return isKnown && header !== undefined;
}
