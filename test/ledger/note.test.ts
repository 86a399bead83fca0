import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  checkpointText,
  parseCheckpoint,
  parseStreamOrigin,
  streamOrigin,
} from '../../src/ledger/checkpoint.ts';
import { localSigner, noteVerifier, openNote, parseVerifierKey, signNote } from '../../src/ledger/note.ts';
import { formatProof, parseProof } from '../../src/ledger/proof.ts';

// From the package documentation and tests of golang.org/x/mod/sumdb/note (BSD licence).
const goVkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const goSeed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
const goText =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const goNote = `${goText}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
const enochVkey = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
const enochLine =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
// The example of C2SP signed-note.
const specVkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const specNote =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';

const key = (vkey: string) => {
  const k = parseVerifierKey(vkey);
  if (k === undefined) throw new Error(vkey);
  return k;
};
const goKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), goSeed]),
  format: 'der',
  type: 'pkcs8',
});

describe('signed notes are those of C2SP and Go', () => {
  it('signs byte for byte what the reference implementation signs', async () => {
    const signer = localSigner(goKey);
    expect(noteVerifier('PeterNeumann', signer.publicKey).vkey).toBe(goVkey);
    expect(await signNote(goText, 'PeterNeumann', [signer])).toBe(goNote);
  });

  it('opens the examples of Go and of the specification', () => {
    expect(openNote(goNote, [key(goVkey)])).toMatchObject({ kind: 'ok', text: goText });
    expect(openNote(specNote, [key(specVkey)])).toMatchObject({
      kind: 'ok',
      text: 'This is an example message.\n',
    });
    const both = openNote(goNote + enochLine, [key(goVkey), key(enochVkey)]);
    expect(both.kind === 'ok' && both.by.map((k) => k.name)).toEqual(['PeterNeumann', 'EnochRoot']);
  });

  it('ignores keys it does not know, and trusts nothing then', () => {
    expect(openNote(goNote + enochLine, [key(goVkey)]).kind).toBe('ok');
    expect(openNote(goNote, [key(enochVkey)]).kind).toBe('unknown-key');
  });

  it('refuses control characters and blanks in a signature line, also in one of an unknown key', () => {
    const [mark, , signature] = enochLine.split(' ');
    const named = (name: string) => openNote(`${goNote}${mark} ${name} ${signature}`, [key(goVkey)]).kind;
    expect(named('nobody')).toBe('ok');
    for (const bad of [
      'no\u0001body',
      'no\u001fbody',
      'no\u0085body',
      'no\u00a0body',
      'no+body',
      'no\tbody',
    ]) {
      expect(named(bad), JSON.stringify(bad)).toBe('malformed');
    }
  });

  it('refuses every note with one byte changed', () => {
    const bytes = Buffer.from(goNote);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, x) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ x;
        expect(openNote(changed.toString(), [key(goVkey)]).kind).not.toBe('ok');
      }),
    );
  });

  it('refuses a key that is cut, changed, of another length or another type', () => {
    for (let i = 0; i < goVkey.length; i += 1) {
      expect(parseVerifierKey(goVkey.slice(0, i))).toBeUndefined();
      const next = String.fromCharCode(goVkey.charCodeAt(i) + 1);
      expect(parseVerifierKey(goVkey.slice(0, i) + next + goVkey.slice(i + 1))).toBeUndefined();
    }
    // From Go's own tests: wrong length and unknown algorithm, each with a fitting key id.
    expect(
      parseVerifierKey('PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=='),
    ).toBeUndefined();
    expect(
      parseVerifierKey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'),
    ).toBeUndefined();
  });
});

describe('checkpoints are those of C2SP tlog-checkpoint', () => {
  it('reads the example of the specification and writes it back', () => {
    const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
    const c = parseCheckpoint(text);
    expect(c).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20852163 });
    expect(c && checkpointText(c)).toBe(text);
  });

  it('refuses leading zeroes, short roots, empty lines and missing ends', () => {
    const root = Buffer.alloc(32).toString('base64');
    for (const bad of [
      `o\n01\n${root}\n`,
      `o\n-1\n${root}\n`,
      `o\n1\nAAAA\n`,
      `\n1\n${root}\n`,
      `o\n1\n${root}`,
      `o\n1\n${root}\n\n`,
      `o\n1\n`,
      `o\n9007199254740993\n${root}\n`,
    ]) {
      expect(parseCheckpoint(bad), bad).toBeUndefined();
    }
  });

  it('finds the tree in an origin', () => {
    const tree = { stream: 'main.a.b', partition: 2, epoch: 1 };
    expect(parseStreamOrigin(streamOrigin('00ff', tree))).toEqual({ ...tree, logId: '00ff' });
    expect(parseStreamOrigin('keywitness/00ff/meta')).toBeUndefined();
  });
});

describe('proofs are those of C2SP tlog-proof', () => {
  const signer = localSigner(generateKeyPairSync('ed25519').privateKey);
  const origin = 'example.com/log';
  const text = checkpointText({ origin, size: 3, root: Buffer.alloc(32, 1) });
  let checkpoint = '';
  beforeAll(async () => {
    checkpoint = await signNote(text, origin, [signer]);
  });
  it('has the lines of the specification', () => {
    const text = formatProof({ extra: Buffer.from('hello'), index: 2, path: [Buffer.alloc(32)], checkpoint });
    expect(text.split('\n').slice(0, 5)).toEqual([
      'c2sp.org/tlog-proof@v1',
      'extra aGVsbG8=',
      'index 2',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
      '',
    ]);
    expect(parseProof(text)).toEqual({
      extra: Buffer.from('hello'),
      index: 2,
      path: [Buffer.alloc(32)],
      checkpoint,
    });
  });
  it('refuses what is not a proof', () => {
    const good = formatProof({ index: 0, path: [], checkpoint });
    expect(parseProof(good)).toBeDefined();
    expect(parseProof(good.replace('@v1', '@v2'))).toBeUndefined();
    expect(parseProof(good.replace('index 0', 'index 00'))).toBeUndefined();
    expect(parseProof(good.replace('index 0\n', 'index 0\nAAAA\n'))).toBeUndefined();
    expect(parseProof(good.replace('index 0\n', ''))).toBeUndefined();
  });
});
