import type { IdentifierShape } from '../source.ts';

/** What stands where a secret stood. No hash of it: that of a weak password would give it away. */
export const mask = '[masked]';

/**
 * Texts that are secrets wherever they stand. `begin` is what the whole record's text is searched for first:
 * cheap, and true for every record the shape could match.
 */
const shapes = [
  { name: 'aws-key-id', begin: 'AKIA|ASIA', shape: '(?:AKIA|ASIA)[A-Z0-9]{12,}' },
  { name: 'jwt', begin: 'eyJ', shape: 'eyJ[\\w-]{8,}\\.[\\w-]{8,}(?:\\.[\\w-]*)?' },
  {
    name: 'private-key',
    begin: '-----BEGIN',
    shape: '-----BEGIN [A-Z0-9 ]*PRIVATE KEY[\\s\\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|$)',
  },
  { name: 'vault-token', begin: 'hv[sbr]\\.', shape: '\\bhv[sbr]\\.[\\w-]{8,}' },
  // Vault before 1.10 and OpenBao write tokens as s.… and b.…
  {
    name: 'vault-token-short',
    begin: '[^\\w.][sbr]\\.[A-Za-z0-9]{24}',
    shape: '(?<![\\w.])[sbr]\\.[A-Za-z0-9]{24,}(?![.\\w])',
  },
  { name: 'github-token', begin: 'gh[pousr]_|github_pat_', shape: '(?:gh[pousr]_|github_pat_)\\w{12,}' },
  { name: 'gitlab-token', begin: 'glpat-', shape: 'glpat-[\\w-]{12,}' },
  { name: 'slack-token', begin: 'xox[abeoprs]-', shape: 'xox[abeoprs]-[\\w-]{10,}' },
  { name: 'stripe-key', begin: '[rs]k_live_', shape: '[rs]k_live_\\w{10,}' },
  { name: 'google-key', begin: 'AIza', shape: 'AIza[\\w-]{30,}' },
  // Some writers escape the slash.
  {
    name: 'url-password',
    begin: ':\\\\?/\\\\?/[^"\\s/]*@',
    shape: '(?<=://[^\\s/?#@:"]{0,128}:)[^\\s/"@]+(?:@[^\\s/"@]+)*(?=@)',
  },
] as const;

export interface ShapeTest {
  /** Over a whole record's text: false means that no string in it has any shape. */
  readonly begins: RegExp;
  readonly all: RegExp;
}

function compile(identifiers: readonly IdentifierShape[]): ShapeTest {
  const used = shapes.filter((s) => !identifiers.some((name) => name === s.name));
  return {
    begins: new RegExp(used.map((s) => s.begin).join('|')),
    all: new RegExp(used.map((s) => s.shape).join('|'), 'g'),
  };
}

export const everyShape: ShapeTest = compile([]);
const tests = new Map<readonly IdentifierShape[], ShapeTest>();

/** The shapes that are secrets in this system's log. */
export function shapesWithout(identifiers: readonly IdentifierShape[] | undefined): ShapeTest {
  if (identifiers === undefined) return everyShape;
  let test = tests.get(identifiers);
  if (test === undefined) {
    test = compile(identifiers);
    tests.set(identifiers, test);
  }
  return test;
}

export function maskShapes(text: string, test: ShapeTest): string {
  return text.replace(test.all, mask);
}

/**
 * A word (a path segment, a map key, a login name) that a person would not choose as a name:
 * a password by its mix of characters, or random letters by how often their class changes.
 */
export function isSecretWord(word: string): boolean {
  if (word.length < 8 || word.length > 512 || isId(word)) return false;
  return isPasswordLike(word) || isRandom(word);
}

/** Three classes of characters with a symbol that names do not have. `@`, `*`, `+` and `$ref` do occur in names. */
function isPasswordLike(word: string): boolean {
  if (word.length > 64 || !/[!#$%^&~]/.test(word) || /[\s/:{}<>]/.test(word)) return false;
  return /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word);
}

/** 20 letters or more of mixed case with digits among them, whose class changes at least at every third. */
function isRandom(word: string): boolean {
  if (word.length < 20 || !/^[A-Za-z0-9+/_=-]+$/.test(word)) return false;
  if (!/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/\d/.test(word)) return false;
  let changes = 0;
  for (let i = 1; i < word.length; i++) if (classOf(word, i) !== classOf(word, i - 1)) changes++;
  return changes * 3 >= word.length;
}

function classOf(word: string, i: number): number {
  const c = word.charCodeAt(i);
  if (c >= 97) return 1;
  if (c >= 65) return 2;
  return c >= 48 && c <= 57 ? 3 : 4;
}

/** HMACs, UUIDs, hex digests and ARNs name things. */
export function isId(word: string): boolean {
  return /^(?:hmac-sha256:|arn:|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$|[0-9a-f]{32,}$)/i.test(
    word,
  );
}
