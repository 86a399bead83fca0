import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  cosign,
  cosignatureVerifier,
  cosignedAt,
  parseCosignatureKey,
} from '../../src/ledger/cosignature.ts';
import { noteVerifier, openNote, parseVerifierKey } from '../../src/ledger/note.ts';

const name = 'witness.example.com/w1';
const body = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
const publicOf = (key: KeyObject) =>
  Buffer.from(createPublicKey(key).export({ format: 'der', type: 'spki' })).subarray(-32);
const { privateKey: witnessKey } = generateKeyPairSync('ed25519');
const { privateKey: logKey } = generateKeyPairSync('ed25519');
const witness = cosignatureVerifier(name, publicOf(witnessKey));
const log = noteVerifier('example.com/behind-the-sofa', publicOf(logKey));

/** Lines as the specifications say, built without the code under test. */
function line(keyName: string, type: number, key: KeyObject, signature: Buffer): string {
  const id = createHash('sha256')
    .update(Buffer.concat([Buffer.from(`${keyName}\n`), Buffer.from([type]), publicOf(key)]))
    .digest()
    .subarray(0, 4);
  return `\u2014 ${keyName} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}
const logLine = line(log.name, 1, logKey, sign(null, Buffer.from(body), logKey));
function cosignatureLine(time: bigint, text = body, key = witnessKey): string {
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(time);
  const message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
  return line(name, 4, key, Buffer.concat([stamp, sign(null, message, key)]));
}

describe('cosignatures are those of C2SP tlog-cosignature v1', () => {
  it('are made byte for byte as the specification says', () => {
    expect(cosign({ verifier: witness, privateKey: witnessKey }, body, 1679315147)).toBe(
      cosignatureLine(1679315147n),
    );
  });

  it('hold with their time, and for no other text, time or key', () => {
    const note = `${body}\n${logLine}${cosignatureLine(1679315147n)}`;
    expect(cosignedAt(note, witness)).toBe(1679315147n);
    expect(openNote(note, [log, witness])).toMatchObject({ kind: 'ok', by: [{ name: log.name }, { name }] });
    expect(cosignedAt(note.replace('20852163', '20852164'), witness)).toBeUndefined();
    const later = Buffer.from(note.split(' ').at(-1) ?? '', 'base64');
    later.writeBigUInt64BE(1679315148n, 4);
    expect(
      cosignedAt(`${body}\n${logLine}\u2014 ${name} ${later.toString('base64')}\n`, witness),
    ).toBeUndefined();
    const stranger = cosignatureLine(1679315147n, body, logKey);
    expect(cosignedAt(`${body}\n${stranger}`, witness)).toBeUndefined();
  });

  it('cover the extension lines of a checkpoint', () => {
    const extended = `${body}extension\n`;
    const note = `${extended}\n${cosignatureLine(5n, extended)}`;
    expect(cosignedAt(note, witness)).toBe(5n);
    expect(cosignedAt(`${extended}\n${cosignatureLine(5n, body)}`, witness)).toBeUndefined();
  });

  it('say the newest of several times, and none above 2^63 - 1', () => {
    const note = (times: bigint[]) => `${body}\n${times.map((t) => cosignatureLine(t)).join('')}`;
    expect(cosignedAt(note([7n, 9n, 8n]), witness)).toBe(9n);
    expect(cosignedAt(note([2n ** 63n - 1n]), witness)).toBe(2n ** 63n - 1n);
    expect(cosignedAt(note([2n ** 63n]), witness)).toBeUndefined();
  });

  it('reads the vkey of a real witness, and takes no log’s key for one', () => {
    // From the tests of github.com/transparency-dev/formats (BSD licence).
    const vkey = 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2';
    expect(parseCosignatureKey(vkey)).toMatchObject({ name: 'remora.n621.de', keyId: 0xda77ade7, vkey });
    expect(parseVerifierKey(vkey)).toBeUndefined();
    expect(parseCosignatureKey(log.vkey)).toBeUndefined();
  });
});

describe('a note with many signatures, by the rules of C2SP signed-note', () => {
  const unknown = () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    return line('someone.example', 1, privateKey, sign(null, Buffer.from(body), privateKey));
  };
  const note = (...lines: string[]) => `${body}\n${lines.join('')}`;

  it('opens with 16 of them and more, unknown ones ignored', () => {
    const others = Array.from({ length: 15 }, unknown);
    expect(openNote(note(...others, logLine), [log]).kind).toBe('ok');
    expect(openNote(note(...others, ...others, logLine), [log]).kind).toBe('ok');
    expect(openNote(note(...others), [log]).kind).toBe('unknown-key');
  });

  it('is rejected whole when one known key’s signature does not hold, a witness’s too', () => {
    const wrong = line(name, 4, witnessKey, Buffer.alloc(72));
    expect(openNote(note(logLine, wrong), [log, witness]).kind).toBe('forged');
    // To those who do not know the witness it is one more unknown key.
    expect(openNote(note(logLine, wrong), [log]).kind).toBe('ok');
    const badLog = line(log.name, 1, logKey, sign(null, Buffer.from(`${body}x`), logKey));
    expect(openNote(note(badLog, cosignatureLine(1n)), [log, witness]).kind).toBe('forged');
  });

  it('ignores a key that shares the name or the id of a known one, but not both', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const sameName = line(log.name, 1, privateKey, sign(null, Buffer.from(body), privateKey));
    expect(openNote(note(sameName, logLine), [log]).kind).toBe('ok');
    const sameId = logLine.replace(log.name, 'someone.example');
    expect(openNote(note(sameId, logLine), [log]).kind).toBe('ok');
    expect(openNote(note(sameId), [log]).kind).toBe('unknown-key');
  });
});
