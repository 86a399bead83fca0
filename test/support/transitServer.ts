import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';

/**
 * The transit engine's HTTP API for one key of type ed25519, as OpenBao's `builtin/logical/transit` behaves
 * (path_keys, path_sign_verify, path_rotate, path_keys_config, path_trim): a process of its own, keys never leave it.
 * Token `all` may do everything, `sign` may read and sign. Prints its URL.
 */
const versions = new Map<number, KeyObject>();
const addVersion = () => versions.set(latest() + 1, generateKeyPairSync('ed25519').privateKey);
const latest = () => Math.max(0, ...versions.keys());
const limits = { decryption: 1, encryption: 0, available: 0 };
let type = 'ed25519';
addVersion();

const publicOf = (key: KeyObject) =>
  Buffer.from((key.export({ format: 'jwk' }) as { x: string }).x, 'base64url').toString('base64');

const keyPolicy = () => ({
  name: 'keywitness',
  type,
  derived: false,
  latest_version: latest(),
  min_decryption_version: limits.decryption,
  min_encryption_version: limits.encryption,
  min_available_version: limits.available,
  keys: Object.fromEntries(
    [...versions]
      .filter(([version]) => version >= limits.decryption)
      .map(([version, key]) => [
        version,
        { name: 'ed25519', public_key: publicOf(key), creation_time: '2026-07-01T00:00:00Z' },
      ]),
  ),
});

type Answer = { status: number; body?: object };
const refused = (status: number, reason: string): Answer => ({ status, body: { errors: [reason] } });
const data = (value: object): Answer => ({
  status: 200,
  body: { request_id: '1', lease_id: '', data: value },
});

function answer(method: string, path: string, token: string, body: Record<string, unknown>): Answer {
  if (token !== 'all' && token !== 'sign') return refused(403, 'permission denied');
  const isWrite = method === 'POST' && !path.startsWith('/v1/transit/sign/');
  if (isWrite && token !== 'all') return refused(403, '1 error occurred:\n\t* permission denied\n\n');
  const route = `${method} ${path}`;
  if (route === 'GET /v1/transit/keys/keywitness') return data(keyPolicy());
  if (route === 'POST /v1/transit/sign/keywitness') return signed(body);
  if (route === 'POST /v1/transit/keys/keywitness/rotate') {
    addVersion();
    return { status: 204 };
  }
  if (route === 'POST /v1/transit/keys/keywitness/config') {
    const [decryption, encryption] = [
      Number(body.min_decryption_version),
      Number(body.min_encryption_version),
    ];
    if (decryption > latest() || encryption > latest())
      return refused(400, 'cannot set min version, latest key version is lower');
    Object.assign(limits, { decryption, encryption });
    return data(keyPolicy());
  }
  if (route === 'POST /v1/transit/keys/keywitness/trim') {
    const available = Number(body.min_available_version);
    if (limits.encryption === 0)
      return refused(
        400,
        'minimum available version cannot be set when minimum encryption version is not set',
      );
    if (available > limits.encryption || available > limits.decryption)
      return refused(400, 'minimum available version cannot be greater than minmum encryption version');
    limits.available = available;
    for (const version of versions.keys()) if (version < available) versions.delete(version);
    return data(keyPolicy());
  }
  // Of the test: what an administrator might do meanwhile.
  if (route === 'POST /v1/test/type') {
    type = String(body.type);
    return data({});
  }
  if (route === 'POST /v1/test/replace') {
    versions.set(Number(body.version), generateKeyPairSync('ed25519').privateKey);
    return data({});
  }
  if (route === 'POST /v1/test/versions') return data({ versions: [...versions.keys()] });
  return method === 'GET' ? { status: 404, body: { errors: [] } } : refused(404, 'no handler for route');
}

function signed(body: Record<string, unknown>): Answer {
  const version = Number(body.key_version ?? 0) || latest();
  const key = versions.get(version);
  if (key === undefined || version < limits.encryption)
    return refused(400, 'requested version for signing is less than the minimum encryption key version');
  const signature = sign(null, Buffer.from(String(body.input), 'base64'), key).toString('base64');
  return data({ signature: `vault:v${version}:${signature}`, key_version: version });
}

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  const token = String(request.headers['x-vault-token'] ?? '');
  const { status, body: out } = answer(request.method ?? '', request.url ?? '', token, body);
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(out === undefined ? '' : JSON.stringify(out));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address !== 'string')
    process.stdout.write(`http://127.0.0.1:${address.port}\n`);
});
