import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Answers with the value of the longest range that holds the address; undefined when none does. */
export interface RangeTable<T> {
  find(address: string): T | undefined;
}

/** Parses an address or a range; a single address is a range of one. Undefined = neither. */
export function parseRange(text: string): [Address, number] | undefined {
  // `10.1` is a legal spelling of 10.0.0.1 for the library; in a catalog it is a slip.
  const [head = ''] = text.split('/');
  if (!head.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(head)) return undefined;
  try {
    const [address, bits] = text.includes('/')
      ? ipaddr.parseCIDR(text)
      : [ipaddr.parse(text), ipaddr.parse(text).kind() === 'ipv4' ? 32 : 128];
    return [address, bits];
  } catch {
    return undefined;
  }
}

/** Longest prefix first, so that a desk inside an office wins over the office whatever the order written. */
export function rangeTable<T>(entries: readonly (readonly [range: string, value: T])[]): RangeTable<T> {
  const rows = entries
    .flatMap(([range, value]) => {
      const parsed = parseRange(range);
      return parsed ? [{ address: parsed[0], bits: parsed[1], value }] : [];
    })
    .sort((a, b) => b.bits - a.bits);
  return {
    find: (text) => {
      if (!ipaddr.isValid(text)) return undefined;
      // `process` turns ::ffff:10.0.0.1 into 10.0.0.1: the store keeps the former, logs the latter.
      const address = ipaddr.process(text);
      for (const row of rows) {
        if (row.address.kind() === address.kind() && address.match([row.address as never, row.bits])) {
          return row.value;
        }
      }
      return undefined;
    },
  };
}
