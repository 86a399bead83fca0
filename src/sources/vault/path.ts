import type { Native } from '../reading/fields.ts';
import { textOf } from '../reading/fields.ts';
import type { StreamSettings } from '../source.ts';

/** Where in the vault a request went. */
export interface VaultPlace {
  /** Mount without trailing slash: `prod`, `auth/approle`, `sys`. */
  readonly mount: string;
  /** As the record says; '' = it does not. */
  readonly type: string;
  /** Path below the mount, as requested. */
  readonly rest: string;
  readonly path: string;
  /** Namespace without slashes at its ends; '' = root. */
  readonly namespace: string;
  /** KV v2's own first segment (data, metadata, …), not part of the secret's name; '' for everything else. */
  readonly kv2Segment: string;
  /** Judged by the path, because the stream's `kv2` setting is not given. */
  readonly isKv2Assumed: boolean;
}

/** The segments that give KV v2 away; `subkeys` and `config` are looked at only where the mount is known as v2. */
const tellingSegments = new Set(['data', 'metadata', 'delete', 'undelete', 'destroy']);
const kv2Segments = new Set([...tellingSegments, 'subkeys']);

/** @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 */
export function placeOf(request: Native, settings: StreamSettings): VaultPlace {
  const path = textOf(request.path);
  const mount = mountOf(path, textOf(request.mount_point));
  const rest = path.slice(mount.length + 1);
  const type = textOf(request.mount_type);
  const namespace = namespaceOf(request);
  const plain = { mount, type, rest, path, namespace, kv2Segment: '', isKv2Assumed: false };
  if (type !== 'kv' && type !== '') return plain;
  if (isSystemMount(mount)) return plain;
  const slash = rest.indexOf('/');
  const segment = slash === -1 ? rest : rest.slice(0, slash);
  if (settings.kv2 !== undefined) {
    const isV2 = settings.kv2.includes(namespace === '' ? mount : `${namespace}/${mount}`);
    return isV2 && kv2Segments.has(segment) ? { ...plain, kv2Segment: segment } : plain;
  }
  return tellingSegments.has(segment) ? { ...plain, kv2Segment: segment, isKv2Assumed: true } : plain;
}

function isSystemMount(mount: string): boolean {
  return mount === 'sys' || mount === 'identity' || mount === 'cubbyhole' || mount.startsWith('auth/');
}

/** Older servers and unmounted paths have no `mount_point`. */
function mountOf(path: string, mountPoint: string): string {
  if (mountPoint !== '' && path.startsWith(mountPoint)) return mountPoint.replace(/\/$/, '');
  const [first = '', second] = path.split('/', 2);
  return first === 'auth' && second !== undefined ? `auth/${second}` : first;
}

function namespaceOf(request: Native): string {
  const namespace = request.namespace;
  if (typeof namespace !== 'object' || namespace === null) return '';
  return textOf((namespace as Native).path).replace(/^\/+|\/+$/g, '');
}

/** Canonical: `vault:STORE/[NAMESPACE/]PATH`. */
export function vaultId(settings: StreamSettings, namespace: string, path: string): string {
  return namespace === ''
    ? `vault:${settings.store}/${path}`
    : `vault:${settings.store}/${namespace}/${path}`;
}
