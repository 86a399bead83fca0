/** Cyrillic, Greek and odd Latin letters that look like a plain one, and that one. */
const lookAlikes =
  '\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u043a\u043c\u0442\u0432\u043d\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c7\u03c4\u03b5\u03b2\u03b6\u03b7\u03bc\u0131\u0237\u0251\u0261';
const plainLetters = 'aeopcyxijsdqwhkmtbhaopynikxtebzhmijag';

/** Names as they are compared: nobody approves twice by writing the same name in another way, or so that it looks the same. */
function sameName(name: string): string {
  const visible = name
    .normalize('NFKC')
    .replace(/[\u2800\p{Default_Ignorable_Code_Point}]|(?!\s)\p{C}/gu, '');
  const plain = visible.trim().replace(/\s+/g, ' ').toLowerCase();
  return [...plain].map((letter) => plainLetters[lookAlikes.indexOf(letter)] ?? letter).join('');
}

/** What drops or erases evidence needs two people: exactly two names, both told, and not the same one. */
export function areTwoApprovers(names: readonly string[]): boolean {
  const [first = '', second = ''] = names.map(sameName);
  return names.length === 2 && first !== '' && second !== '' && first !== second;
}
