/** Names in messages come from records: they must neither steer the reader's program nor carry a credential. */

/** Control and bidirectional characters, made visible. */
const steering = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Shapes of credentials. Adapters have cut secrets out long before; this is the last fence, for a token that
 * somebody used as a user name or a path. Wide on purpose: a lost word in a message costs nothing.
 */
const credentials: readonly RegExp[] = [
  /\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}/g, // Vault and OpenBao service, batch, recovery tokens
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, // AWS access key ids
  /\b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}/g, // Slack
  /\b(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}/g, // GitHub, GitLab
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g, // JWT
  /-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g, // PEM
  /\b([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, // password in a URL
];

/** A keyed hash of a token names it in the log; its beginning is enough to compare with. */
const longHash = /\b(hmac-sha256:[0-9a-f]{12})[0-9a-f]{52}\b/g;

/** Text for people: no credential shapes, no characters that steer, at most `max` characters. */
export function clean(text: string, max = 1000): string {
  let out = text;
  for (const shape of credentials) {
    out = out.replace(shape, (_, scheme) =>
      typeof scheme === 'string' ? `${scheme}:[secret]@` : '[secret]',
    );
  }
  out = out.replace(longHash, '$1…');
  out = out.replace(/[\t\n\r]+/g, ' ').replace(steering, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  // Lone surrogates become U+FFFD on the way through UTF-8.
  return truncate(Buffer.from(out, 'utf8').toString('utf8'), max);
}

/** Cuts between characters, never inside one, and says so. */
export function truncate(text: string, max: number): string {
  if (text.length <= max) return text;
  let cut = text.slice(0, max - 1);
  if (/[\ud800-\udbff]$/.test(cut)) cut = cut.slice(0, -1);
  return `${cut}…`;
}
