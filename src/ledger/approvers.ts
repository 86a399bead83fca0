/** Names as they are compared: nobody approves twice by writing the same name in another way. */
function sameName(name: string): string {
  return name.normalize('NFKC').trim().replace(/\s+/g, ' ').toLowerCase();
}

/** What drops or erases evidence needs two people: exactly two names, both told, and not the same one. */
export function areTwoApprovers(names: readonly string[]): boolean {
  const [first = '', second = ''] = names.map(sameName);
  return names.length === 2 && first !== '' && second !== '' && first !== second;
}
