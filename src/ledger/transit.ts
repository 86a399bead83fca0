import { readFileSync } from 'node:fs';
import { KeywitnessError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { Environment } from './keyFile.ts';
import { isEd25519, strictBase64 } from './note.ts';

/** An Ed25519 key of the transit engine of Vault or OpenBao: it signs there, and no private key comes here. */
export interface TransitKey {
  /** `…/v1/MOUNT/keys/NAME`, in messages. */
  readonly url: string;
  versions(): Promise<TransitVersions>;
  /** Ed25519 by this version of the key. @throws KW_KEY also when the signature does not hold */
  sign(version: TransitVersion, bytes: Buffer): Promise<Buffer>;
  /** Makes one version more. */
  rotate(): Promise<void>;
  /** Deletes all versions before this one. */
  trim(version: number): Promise<void>;
}

export interface TransitVersion {
  readonly version: number;
  /** The 32 bytes of RFC 8032. */
  readonly publicKey: Buffer;
}

export interface TransitVersions {
  readonly all: readonly TransitVersion[];
  readonly latest: TransitVersion;
  /** Versions before this one were deleted. */
  readonly oldest: number;
}

/** Far beyond what a signature takes; a heartbeat waits for it. */
const timeoutMs = 10_000;

/**
 * The key that KEYWITNESS_SIGNER names, with the token of KEYWITNESS_SIGNER_TOKEN, or that KEYWITNESS_SIGNER_TOKEN_FILE
 * holds at the moment (an agent renews it); undefined = keys lie on this disk. @throws KW_CONFIG
 * @see https://openbao.org/api-docs/secret/transit/
 */
export function transitKey(env: Environment): TransitKey | undefined {
  if (!env.KEYWITNESS_SIGNER) return undefined;
  const { mount, name, url } = parseUrl(env.KEYWITNESS_SIGNER);
  const call = async (method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> => {
    const at = `${mount}/${path}`;
    const answer = await send(at, {
      method,
      headers: { 'X-Vault-Token': tokenOf(env).reveal(), 'X-Vault-Request': 'true' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return dataOf(at, answer);
  };
  return {
    url,
    versions: async () => parseVersions(url, await call('GET', `keys/${name}`)),
    async sign({ version, publicKey }, bytes) {
      const data = await call('POST', `sign/${name}`, {
        input: bytes.toString('base64'),
        key_version: version,
      });
      const text = String(fieldOf(data, 'signature'));
      const signature = strictBase64(text.split(':')[2] ?? '');
      if (signature !== undefined && isEd25519(publicKey, bytes, signature)) return signature;
      throw keyError(`${url} gave a signature that version ${version} of the key did not make.`);
    },
    rotate: async () => void (await call('POST', `keys/${name}/rotate`, {})),
    async trim(version) {
      await call('POST', `keys/${name}/config`, {
        min_decryption_version: version,
        min_encryption_version: version,
      });
      await call('POST', `keys/${name}/trim`, { min_available_version: version });
    },
  };
}

function parseUrl(text: string): { mount: string; name: string; url: string } {
  const wrong = (what: string) =>
    new KeywitnessError(
      'KW_CONFIG',
      `KEYWITNESS_SIGNER ${what}; it is a URL such as https://vault.example:8200/v1/transit/keys/keywitness.`,
    );
  if (!URL.canParse(text)) throw wrong('is no URL');
  const { protocol, hostname, pathname, origin, username, password, search, hash } = new URL(text);
  if (username + password + search + hash !== '') throw wrong('holds more than address and path');
  const isNear = hostname === 'localhost' || hostname === '[::1]' || /^127\.[\d.]+$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isNear))
    throw wrong('would send the token in plain');
  const m = /^(\/v1\/.+)\/keys\/([\w.-]+)$/.exec(pathname);
  if (!m) throw wrong('names no key of a transit engine');
  return { mount: `${origin}${m[1]}`, name: m[2] as string, url: `${origin}${pathname}` };
}

function tokenOf(env: Environment): Secret {
  if (env.KEYWITNESS_SIGNER_TOKEN) return new Secret(env.KEYWITNESS_SIGNER_TOKEN);
  const path = env.KEYWITNESS_SIGNER_TOKEN_FILE;
  if (!path)
    throw keyError('KEYWITNESS_SIGNER needs KEYWITNESS_SIGNER_TOKEN or KEYWITNESS_SIGNER_TOKEN_FILE.');
  try {
    return new Secret(readFileSync(path, 'utf8').trim());
  } catch (cause) {
    throw keyError(`KEYWITNESS_SIGNER_TOKEN_FILE ${path} cannot be read.`, cause);
  }
}

async function send(url: string, request: RequestInit): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, { ...request, redirect: 'error' });
    return { status: response.status, text: await response.text() };
  } catch (cause) {
    const reason =
      cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
    throw keyError(`${url} did not answer (${reason}).`, cause);
  }
}

function dataOf(url: string, { status, text }: { status: number; text: string }): unknown {
  let body: unknown;
  try {
    body = text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throw keyError(`${url} answered ${status} and no JSON.`, cause);
  }
  if (status < 300) return fieldOf(body, 'data');
  const errors = fieldOf(body, 'errors');
  const reasons = Array.isArray(errors) ? errors.map(String).join('; ').slice(0, 300) : '';
  throw keyError(`${url} answered ${status}${reasons === '' ? '' : `: ${reasons}`}.`);
}

function parseVersions(url: string, data: unknown): TransitVersions {
  const keys = fieldOf(data, 'keys');
  const all = Object.entries(typeof keys === 'object' && keys !== null ? keys : {})
    .map(([version, key]) => ({
      version: Number(version),
      publicKey: strictBase64(String(fieldOf(key, 'public_key'))),
    }))
    .filter((v): v is TransitVersion => Number.isSafeInteger(v.version) && v.publicKey?.length === 32)
    .sort((a, b) => a.version - b.version);
  const latest = all.at(-1);
  if (fieldOf(data, 'type') !== 'ed25519' || fieldOf(data, 'derived') === true || latest === undefined) {
    throw keyError(
      `${url} is no key of type ed25519 that is not derived: make one with \`bao write -f transit/keys/NAME type=ed25519\`.`,
    );
  }
  return { all, latest, oldest: Number(fieldOf(data, 'min_available_version') ?? 0) };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function keyError(what: string, cause?: unknown): KeywitnessError {
  return new KeywitnessError('KW_KEY', `${what} Nothing was signed.`, { cause });
}
