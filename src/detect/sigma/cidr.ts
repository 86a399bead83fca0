import { isIPv4, isIPv6 } from 'node:net';

/** A test whether an address lies in the network; undefined when the text is no network (host bits must be 0). */
export function compileCidr(text: string): ((address: string) => boolean) | undefined {
  const [base = '', bitsText, ...rest] = text.split('/');
  const network = addressBits(base);
  if (!network || rest.length > 0 || base.includes('%')) return undefined;
  const width = network.family === 4 ? 32 : 128;
  if (bitsText !== undefined && !/^\d{1,3}$/.test(bitsText)) return undefined;
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (bits > width) return undefined;
  const shift = BigInt(width - bits);
  const prefix = network.bits >> shift;
  if (prefix << shift !== network.bits) return undefined;
  return (address) => {
    const parsed = addressBits(address);
    return parsed !== undefined && parsed.family === network.family && parsed.bits >> shift === prefix;
  };
}

interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

/** ::ffff:10.0.0.1 is 10.0.0.1: the same host, written by a dual-stack socket. */
function addressBits(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: v4Bits(text) };
  if (!isIPv6(text)) return undefined;
  const bits = v6Bits(text.split('%', 1)[0] as string);
  return bits >> 32n === 0xffffn ? { family: 4, bits: bits & 0xffffffffn } : { family: 6, bits };
}

function v4Bits(text: string): bigint {
  return text.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);
}

function v6Bits(text: string): bigint {
  const dotted = text.lastIndexOf(':') + 1;
  const tail = text.slice(dotted);
  let hex = text;
  if (tail.includes('.')) {
    const low = v4Bits(tail);
    hex = `${text.slice(0, dotted)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const [left = '', right] = hex.split('::');
  const head = left === '' ? [] : left.split(':');
  const end = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : 8 - head.length - end.length;
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...end];
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}
