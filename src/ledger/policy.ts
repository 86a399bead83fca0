import { KeywitnessError } from '../core/errors.ts';
import { parseCosignatureKey } from './cosignature.ts';
import { keyIdOf, type NoteVerifier, parseVerifierKey, strictBase64 } from './note.ts';

/** A trust policy of C2SP tlog-policy: whose checkpoints count, and which witnesses must have seen them. */
export interface TrustPolicy {
  /** A checkpoint is signed by any one of these; none = the log is known from elsewhere. */
  readonly logs: readonly NoteVerifier[];
  /** Witnesses whose cosignatures can be checked. */
  readonly witnesses: readonly NoteVerifier[];
  /** Are these witnesses enough? */
  isQuorum(cosigners: readonly NoteVerifier[]): boolean;
}

/** ML-DSA-44 cosigners (type 0x06) may stand in a policy; OpenSSL 3.0 cannot check them, so they never count. */
const mlDsaType = 0x06;
const mlDsaKeyBytes = 1312;

/** What a name of the policy stands for. */
type Named =
  | { readonly kind: 'witness'; readonly verifier: NoteVerifier | undefined }
  | { readonly kind: 'group'; readonly threshold: number; readonly members: readonly Named[] }
  | { readonly kind: 'none' };

/** Reads a policy file. Names are opaque octets there, hence bytes. @throws KW_CONFIG with file:line */
export function readPolicy(file: Buffer, path: string): TrustPolicy {
  const state: Reading = { logs: [], names: new Map([['none', { kind: 'none' }]]), keys: new Set() };
  const lines = file.toString('latin1').split('\n');
  for (const [i, line] of lines.entries()) {
    const problem = /[^\t\x20-\x7e\x80-\xff]/.test(line)
      ? 'holds a control character'
      : readLine(
          state,
          line.split(/[ \t]+/).filter((item) => item !== ''),
        );
    if (problem !== undefined) wrong(`${path}:${i + 1}: ${problem}`);
  }
  if (state.quorum === undefined) wrong(`${path}:${lines.length}: no quorum line`);
  const { quorum, logs, names } = state;
  const witnesses = [...names.values()].flatMap((n) =>
    n.kind === 'witness' && n.verifier !== undefined ? [n.verifier] : [],
  );
  return { logs, witnesses, isQuorum: (cosigners) => isWitnessed(quorum, cosigners) };
}

interface Reading {
  readonly logs: NoteVerifier[];
  readonly names: Map<string, Named>;
  /** Public keys and group members that are taken. */
  readonly keys: Set<string>;
  quorum?: Named;
}

/** Takes in one line; says what is wrong with it. */
function readLine(state: Reading, [keyword, ...items]: readonly string[]): string | undefined {
  if (keyword === undefined || keyword.startsWith('#')) return undefined;
  if (keyword === 'log') return readLog(state, items);
  if (keyword === 'witness') return readWitness(state, items);
  if (keyword === 'group') return readGroup(state, items);
  if (keyword === 'quorum') return readQuorum(state, items);
  return 'a line begins with log, witness, group, quorum or #';
}

function readLog({ logs, keys }: Reading, items: readonly string[]): string | undefined {
  const [vkey, , more] = items;
  if (vkey === undefined || more !== undefined) return 'log VKEY [URL]';
  const verifier = parseVerifierKey(asUtf8(vkey));
  if (verifier === undefined) return 'not a vkey of an Ed25519 log (type 0x01)';
  if (!isNew(keys, `log ${verifier.publicKey.toString('hex')}`)) return 'this public key is listed twice';
  logs.push(verifier);
  return undefined;
}

function readWitness({ names, keys }: Reading, items: readonly string[]): string | undefined {
  const [name, vkey, , more] = items;
  if (name === undefined || vkey === undefined || more !== undefined) return 'witness NAME VKEY [URL]';
  const verifier = parseCosignatureKey(asUtf8(vkey));
  const publicKey = verifier?.publicKey ?? mlDsaKey(asUtf8(vkey));
  if (publicKey === undefined) return 'not a vkey of a witness (type 0x04 or 0x06)';
  if (!isNew(keys, `witness ${publicKey.toString('hex')}`)) return 'this public key is listed twice';
  return define(names, name, { kind: 'witness', verifier });
}

function readGroup({ names, keys }: Reading, items: readonly string[]): string | undefined {
  const [name, count, ...listed] = items;
  if (name === undefined || count === undefined || listed.length === 0) return 'group NAME all|any|K NAME…';
  const threshold = count === 'all' ? listed.length : count === 'any' ? 1 : Number(count);
  const isCount = count === 'all' || count === 'any' || /^[1-9]\d*$/.test(count);
  if (!isCount || threshold > listed.length)
    return `of ${listed.length} members 1 to ${listed.length} can be asked for`;
  const members: Named[] = [];
  for (const member of listed) {
    const named = names.get(member);
    if (named === undefined || named.kind === 'none') return `${shown(member)} is not defined above`;
    if (!isNew(keys, `member ${member}`)) return `${shown(member)} is a member already`;
    members.push(named);
  }
  return define(names, name, { kind: 'group', threshold, members });
}

function readQuorum(state: Reading, [name, more]: readonly string[]): string | undefined {
  if (name === undefined || more !== undefined) return 'quorum NAME';
  if (state.quorum !== undefined) return 'a second quorum line';
  const named = state.names.get(name);
  if (named === undefined) return `${shown(name)} is not defined above`;
  state.quorum = named;
  return undefined;
}

function define(names: Map<string, Named>, name: string, named: Named): string | undefined {
  if (names.has(name)) return `${shown(name)} is defined already`;
  names.set(name, named);
  return undefined;
}

function isNew(taken: Set<string>, item: string): boolean {
  if (taken.has(item)) return false;
  taken.add(item);
  return true;
}

/** Each name is a member once at most, so this looks at every witness once. */
function isWitnessed(named: Named, cosigners: readonly NoteVerifier[]): boolean {
  if (named.kind === 'none') return true;
  if (named.kind === 'witness') return named.verifier !== undefined && cosigners.includes(named.verifier);
  return named.members.filter((member) => isWitnessed(member, cosigners)).length >= named.threshold;
}

function mlDsaKey(vkey: string): Buffer | undefined {
  const m = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey);
  const typed = m ? strictBase64(m[3] as string) : undefined;
  if (!m || typed?.[0] !== mlDsaType || typed.length !== 1 + mlDsaKeyBytes) return undefined;
  return keyIdOf(m[1] as string, typed) === Number.parseInt(m[2] as string, 16)
    ? typed.subarray(1)
    : undefined;
}

/** The file was read as octets; a key's name is UTF-8. */
function asUtf8(octets: string): string {
  return Buffer.from(octets, 'latin1').toString();
}

function shown(name: string): string {
  return JSON.stringify(asUtf8(name));
}

function wrong(what: string): never {
  throw new KeywitnessError('KW_CONFIG', `${what}. The policy's form is https://c2sp.org/tlog-policy.`);
}
