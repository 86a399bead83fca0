import type { IdentifierShape } from '../source.ts';

/** What stands where a secret stood. No hash of it: that of a weak password would give it away. */
export const mask = '[masked]';

/**
 * Texts that are secrets wherever they stand. `begin` occurs in every text the shape matches, and is loose where
 * that searches faster (a rare second letter first): the whole record's text is searched for it before anything.
 */
const shapes = [
  { name: 'aws-key-id', begin: 'A[KS]IA', shape: '(?:AKIA|ASIA)[A-Z0-9]{12,}' },
  { name: 'jwt', begin: 'yJ', shape: 'eyJ[\\w-]{8,1000}\\.[\\w-]{8,}(?:\\.[\\w-]*)?' },
  {
    name: 'private-key',
    begin: 'BEGIN',
    shape:
      '-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\\s\\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----|$)',
  },
  { name: 'vault-token', begin: 'v[sbr]\\.', shape: '\\bhv[sbr]\\.[\\w-]{8,}' },
  { name: 'github-token', begin: 'h[pousr]_', shape: 'gh[pousr]_\\w{12,}' },
  { name: 'github-fine-grained-token', begin: 'pat[-_]', shape: 'github_pat_\\w{12,}' },
  { name: 'gitlab-token', begin: 'pat[-_]', shape: 'glpat-[\\w-]{12,}' },
  { name: 'slack-token', begin: 'xox.-', shape: 'xox[abeoprs]-[\\w-]{10,}' },
  { name: 'stripe-key', begin: 'k_live_', shape: '[rs]k_live_\\w{10,}' },
  { name: 'google-key', begin: 'AIza', shape: 'AIza[\\w-]{30,}' },
] as const;

/** Vault before 1.10 and OpenBao write tokens as s.… and b.… */
const shortVaultToken = '(?<![\\w.])[sbr]\\.[A-Za-z0-9]{24,}(?![.\\w])';
const shortVaultTokenBegin = /[^\w.][sbr]\.[A-Za-z0-9]{24}/;
/** The password of a URL. Some writers escape the slash. */
const urlPassword = '(?<=://[^\\s/?#@:"]{0,128}:)[^\\s/"@]+(?:@[^\\s/"@]+)*(?=@)';
const urlPasswordBegin = /:\\?\/\\?\/[^"\s/]{0,4096}@/;

export interface ShapeTest {
  /** Over a whole record's text: false means that no string in it has any shape. */
  mayHold(text: string): boolean;
  readonly all: RegExp;
}

function compile(identifiers: readonly IdentifierShape[]): ShapeTest {
  const used = shapes.filter((s) => !identifiers.some((name) => name === s.name));
  const words = new RegExp([...new Set(used.map((s) => s.begin))].join('|'));
  return {
    mayHold: (text) =>
      words.test(text) ||
      shortVaultTokenBegin.test(text) ||
      (text.includes('@') && urlPasswordBegin.test(text)),
    all: new RegExp([...used.map((s) => s.shape), shortVaultToken, urlPassword].join('|'), 'g'),
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

/** Above this a text that may hold a secret goes whole: what comes in must not choose how long the search takes. */
const searchedCharsMax = 64 * 1024;

export function maskShapes(text: string, test: ShapeTest): string {
  if (text.length > searchedCharsMax) return test.mayHold(text) ? mask : text;
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

/**
 * 20 letters or more of mixed case with digits among them, whose class changes at least at every fourth;
 * a capital before small letters is how words begin and no change.
 */
function isRandom(word: string): boolean {
  if (word.length < 20 || !/^[A-Za-z0-9+/_=-]+$/.test(word)) return false;
  if (!/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/\d/.test(word)) return false;
  let changes = 0;
  for (let i = 1; i < word.length; i++) {
    const [before, here] = [classOf(word, i - 1), classOf(word, i)];
    if (before !== here && !(before === upper && here === lower)) changes++;
  }
  return changes * 4 >= word.length;
}

const lower = 1;
const upper = 2;

function classOf(word: string, i: number): number {
  const c = word.charCodeAt(i);
  if (c >= 97) return lower;
  if (c >= 65) return upper;
  return c >= 48 && c <= 57 ? 3 : 4;
}

/** HMACs, UUIDs, hex digests and ARNs name things. */
export function isId(word: string): boolean {
  return /^(?:hmac-sha256:|arn:|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$|[0-9a-f]{32,}$)/i.test(
    word,
  );
}
