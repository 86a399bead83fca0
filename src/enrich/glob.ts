/**
 * Globs of the catalog on canonical ids (docs/catalog.md): `*` is one segment or a part of one, `**` any
 * number of segments, `\*` a literal star. Segments end at `/`; in `aws:` and `arn:` ids the parts before the
 * name end at `:` too, so that `aws:sm:*:eu-west-1:x` cannot reach across accounts and regions.
 */
export function compileGlob(glob: string, options: { ignoreCase?: boolean } = {}): (text: string) => boolean {
  if (!/[*\\]/.test(glob)) {
    if (!options.ignoreCase) return (text) => text === glob;
    const lower = glob.toLowerCase();
    return (text) => text.toLowerCase() === lower;
  }
  const regex = new RegExp(`^${globSource(glob)}$`, options.ignoreCase ? 'isu' : 'su');
  return (text) => regex.test(text);
}

/** The same glob as a regular expression of RE2, for the engine. */
export function globPattern(glob: string): string {
  return `(?s)^${globSource(glob)}$`;
}

/** `aws:sm:ACCOUNT:REGION:` has four colons, `arn:aws:iam::ACCOUNT:` has five. */
function headParts(glob: string): number {
  if (glob.startsWith('aws:')) return 4;
  return glob.startsWith('arn:') ? 5 : 0;
}

function globSource(glob: string): string {
  const colonsOfHead = headParts(glob);
  let colons = 0;
  let out = '';
  for (let i = 0; i < glob.length; i++) {
    const c = glob[i] as string;
    if (c === ':') colons++;
    if (c === '\\' && i + 1 < glob.length) out += escaped(glob[++i] as string);
    else if (c === '/' && glob.startsWith('/**', i) && i + 3 === glob.length) {
      // `x/**` holds x itself: any number of segments includes none.
      out += '(?:/.*)?';
      i += 2;
    } else if (c === '*' && glob[i + 1] === '*') {
      i++;
      if (glob[i + 1] === '/' && (out === '' || out.endsWith('/'))) {
        out += '(?:.*/)?';
        i++;
      } else out += '.*';
    } else if (c === '*') out += colons < colonsOfHead ? '[^:/]*' : '[^/]*';
    else out += escaped(c);
  }
  return out;
}

function escaped(c: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(c) ? `\\${c}` : c;
}
