import ipaddr from 'ipaddr.js';

const none = Buffer.alloc(16);
const remembered = new Map<string, Buffer>();
/** Far more addresses than one flush meets; the memo is dropped whole when full. */
const rememberedMax = 50_000;

/** 16 bytes of an address, IPv4 as ::ffff:a.b.c.d; '' and anything that is no address give `::`. */
export function ipBytes(text: string): Buffer {
  if (text === '') return none;
  let bytes = remembered.get(text);
  if (bytes === undefined) {
    bytes = parse(text);
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(text, bytes);
  }
  return bytes;
}

function parse(text: string): Buffer {
  if (!ipaddr.isValid(text)) return none;
  const address = ipaddr.parse(text);
  const v6 = address.kind() === 'ipv4' ? (address as ipaddr.IPv4).toIPv4MappedAddress() : address;
  return Buffer.from(v6.toByteArray());
}

/** As people write it: dotted for IPv4-mapped, '' for `::`. */
export function ipText(stored: string): string {
  if (stored === '::') return '';
  return stored.startsWith('::ffff:') ? stored.slice(7) : stored;
}
