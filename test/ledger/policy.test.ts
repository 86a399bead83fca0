import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPolicy } from '../../src/ledger/policy.ts';

/** Keys of either type, written as the specification of vkeys says. */
function vkey(name: string, type: number, key: Buffer = randomBytes(32)): string {
  const typed = Buffer.concat([Buffer.from([type]), key]);
  const id = createHash('sha256').update(`${name}\n`).update(typed).digest('hex').slice(0, 8);
  return `${name}+${id}+${typed.toString('base64')}`;
}
const witnessKey = (name: string) => vkey(`${name}.example`, 4);
const logKey = vkey('example.com/log', 1);
const policy = (text: string) => readPolicy(Buffer.from(text), 'policy.txt');
const names = (p: ReturnType<typeof policy>, ...some: string[]) =>
  p.witnesses.filter((w) => some.includes(w.name.replace('.example', '')));

const example = `# The example of the specification
log ${logKey}

witness X1 ${witnessKey('X1')}
witness X2 ${witnessKey('X2')}
witness X3 ${witnessKey('X3')}
group X-witnesses 2 X1 X2 X3

witness Y1 ${witnessKey('Y1')}
\twitness  Y2\t${witnessKey('Y2')} https://y2.example/
  # a comment
witness Y3 ${witnessKey('Y3')}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

describe('a policy is that of C2SP tlog-policy', () => {
  it('asks for the quorum of its example', () => {
    const p = policy(example);
    expect(p.logs.map((l) => l.vkey)).toEqual([logKey]);
    expect(p.witnesses).toHaveLength(6);
    expect(p.isQuorum(names(p, 'X1', 'X3', 'Y2'))).toBe(true);
    expect(p.isQuorum(p.witnesses)).toBe(true);
    for (const few of [[], ['X1', 'X2', 'X3'], ['X1', 'Y1', 'Y2', 'Y3'], ['Y1']]) {
      expect(p.isQuorum(names(p, ...few)), few.join()).toBe(false);
    }
  });

  it('asks for k of n, whatever k and n', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(5), fc.nat(63), (n, more, cosigned) => {
        const k = 1 + (more % n);
        const members = Array.from({ length: n }, (_, i) => `W${i}`);
        const p = policy(
          `${members.map((m) => `witness ${m} ${witnessKey(m)}\n`).join('')}group G ${k} ${members.join(' ')}\nquorum G\n`,
        );
        const signers = p.witnesses.filter((_, i) => (cosigned >> i) & 1);
        expect(p.isQuorum(signers)).toBe(signers.length >= k);
      }),
    );
  });

  it('may ask for one witness, for none, and know no log', () => {
    expect(policy('quorum none').isQuorum([])).toBe(true);
    expect(policy('quorum none').logs).toEqual([]);
    const one = policy(`witness W ${witnessKey('W')}\nquorum W\n`);
    expect([one.isQuorum(one.witnesses), one.isQuorum([])]).toEqual([true, false]);
  });

  it('takes names as octets: a Kelvin sign is no K', () => {
    expect(() => policy(`witness K ${witnessKey('W')}\nquorum \u212a\n`)).toThrow('policy.txt:2: ');
    expect(policy(`witness \u212a ${witnessKey('W')}\nquorum \u212a\n`).witnesses).toHaveLength(1);
  });

  it('reads a post-quantum witness, whom it cannot check and never counts', () => {
    const pq = vkey('pq.example', 6, randomBytes(1312));
    const p = policy(`witness A ${witnessKey('A')}\nwitness P ${pq}\ngroup G any A P\nquorum G\n`);
    expect(p.witnesses).toHaveLength(1);
    expect(p.isQuorum(p.witnesses)).toBe(true);
    const alone = policy(`witness P ${pq}\nquorum P\n`);
    expect(alone.isQuorum([])).toBe(false);
  });

  it('supports 32 logs, 32 witnesses and 32 groups', () => {
    const each = (line: (i: number) => string) => Array.from({ length: 32 }, (_, i) => line(i)).join('');
    const p = policy(
      each((i) => `log ${vkey(`l${i}`, 1)}\n`) +
        each((i) => `witness w${i} ${witnessKey(`w${i}`)}\n`) +
        each((i) => `group g${i} all w${i} ${i === 0 ? '' : `g${i - 1}`}\n`) +
        'quorum g31\n',
    );
    expect([p.logs.length, p.isQuorum(p.witnesses), p.isQuorum(p.witnesses.slice(1))]).toEqual([
      32,
      true,
      false,
    ]);
  });

  const w = `witness W ${witnessKey('W')}\n`;
  const twice = randomBytes(32);
  it.each([
    ['no quorum', w, 2],
    ['two quorums', `${w}quorum W\nquorum none\n`, 3],
    ['a quorum of nobody known', 'quorum W\n', 1],
    ['a quorum above its definition', `quorum W\n${w}`, 1],
    ['a log of a witness’s type', `log ${witnessKey('W')}\nquorum none\n`, 1],
    ['a witness of a log’s type', `witness W ${logKey}\nquorum W\n`, 1],
    ['a log without a key', 'log\nquorum none\n', 1],
    ['too many items', `log ${logKey} url more\nquorum none\n`, 1],
    ['a key whose id is not its own', `log ${logKey.replace(/\+.{8}\+/, '+00000000+')}\nquorum none\n`, 1],
    ['one log twice', `log ${vkey('a', 1, twice)}\nlog ${vkey('b', 1, twice)}\nquorum none\n`, 2],
    [
      'one witness twice',
      `witness A ${vkey('a', 4, twice)}\nwitness B ${vkey('b', 4, twice)}\nquorum A\n`,
      2,
    ],
    ['one name twice', `${w}witness W ${witnessKey('V')}\nquorum W\n`, 2],
    ['a witness called none', `witness none ${witnessKey('V')}\nquorum none\n`, 1],
    ['a group without members', `${w}group G all\nquorum G\n`, 2],
    ['0 of 1', `${w}group G 0 W\nquorum G\n`, 2],
    ['2 of 1', `${w}group G 2 W\nquorum G\n`, 2],
    ['a half', `${w}group G 0.5 W\nquorum G\n`, 2],
    ['none as a member', `${w}group G any W none\nquorum G\n`, 2],
    ['a group in itself', `${w}group G any W G\nquorum G\n`, 2],
    ['a member twice', `${w}group G any W W\nquorum G\n`, 2],
    ['a member of two groups', `${w}group G any W\ngroup H any W\nquorum H\n`, 3],
    ['a word it does not know', 'cosigner W\nquorum none\n', 1],
    ['a carriage return', 'quorum none\r\n', 1],
  ])('refuses %s, and says in which line', (_, text, line) => {
    expect(() => policy(text)).toThrow(`policy.txt:${line}: `);
  });
});
