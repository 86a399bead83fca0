import type { Action } from '../../core/event.ts';
import type { VaultPlace } from './path.ts';
import { system } from './system.ts';

/** What a request means; `object` replaces the path as the object's name below the mount. */
export interface Meaning {
  readonly action: Action;
  readonly kind: string;
  /** Path of the object where it is not the request's path. */
  readonly object?: string;
}

/** Writes look alike in the log whether made with POST, PUT or PATCH. */
function isWrite(operation: string): boolean {
  return operation === 'create' || operation === 'update' || operation === 'patch';
}

/** How the operation reads where nothing special is known about the path. */
function plainAction(operation: string): Action {
  if (operation === 'read') return 'read';
  if (operation === 'list' || operation === 'scan' || operation === 'help' || operation === 'header')
    return 'list';
  if (operation === 'create') return 'create';
  if (operation === 'update' || operation === 'patch') return 'update';
  return operation === 'delete' ? 'delete' : 'other';
}

/** Settings of a mount: looking tells names, writing is administration. */
function settingsAction(operation: string): Action {
  return operation === 'read' || operation === 'list' || operation === 'scan' ? 'list' : 'admin';
}

export function meaningOf(place: VaultPlace, operation: string): Meaning {
  if (place.mount === 'sys') return system(place.rest, operation);
  if (place.mount === 'identity') return identity(place.rest, operation);
  if (place.mount.startsWith('auth/')) return auth(place, operation);
  switch (place.type) {
    case 'transit':
      return transit(place.rest, operation);
    case 'pki':
      return pki(place.rest, operation);
    case 'ssh':
      return ssh(place.rest, operation);
    case 'totp':
      return { action: place.rest.startsWith('code/') ? 'use' : plainAction(operation), kind: 'key' };
    case 'kv':
    case 'generic':
    case 'cubbyhole':
    case '':
      return keyValue(place, operation);
    default:
      return dynamic(place.rest, operation);
  }
}

function keyValue(place: VaultPlace, operation: string): Meaning {
  if (place.kv2Segment === '') {
    if (place.type === 'kv' && place.rest === 'config')
      return { action: settingsAction(operation), kind: 'mount' };
    return { action: plainAction(operation), kind: 'secret' };
  }
  const object = `${place.mount}${place.rest.slice(place.kv2Segment.length)}`;
  return { action: kv2Action(place.kv2Segment, operation), kind: 'secret', object };
}

function kv2Action(segment: string, operation: string): Action {
  switch (segment) {
    case 'metadata':
      // Metadata names versions, never values; deleting it deletes all of them for good.
      if (operation === 'delete') return 'destroy';
      return isWrite(operation) ? 'update' : 'list';
    case 'subkeys':
      return 'list';
    case 'delete':
      return isWrite(operation) ? 'delete' : 'other';
    case 'undelete':
      return isWrite(operation) ? 'restore' : 'other';
    case 'destroy':
      return isWrite(operation) ? 'destroy' : 'other';
    default:
      return plainAction(operation);
  }
}

/** Databases, clouds and whatever else hands out credentials: `creds`, `static-creds`, `sts` are their convention. */
function dynamic(rest: string, operation: string): Meaning {
  const [head = ''] = rest.split('/', 1);
  if (operation === 'list' || operation === 'scan') return { action: 'list', kind: 'secret' };
  if (head === 'creds' || head === 'cred' || head === 'sts' || head === 'token' || head === 'key')
    return { action: 'issue', kind: 'secret' };
  if (head === 'static-creds' || head === 'static-cred') return { action: 'read', kind: 'secret' };
  if (head.startsWith('rotate')) return { action: 'rotate', kind: 'secret' };
  if (head === 'roles' || head === 'role' || head.startsWith('static-role') || head === 'roleset')
    return { action: settingsAction(operation), kind: 'role' };
  if (head === 'config' || head === 'reset') return { action: settingsAction(operation), kind: 'mount' };
  return { action: plainAction(operation), kind: 'secret' };
}

const transitUses = /^(?:encrypt|decrypt|rewrap|sign|verify|hmac|hash|random|datakey|cmac)(?:\/|$)/;

function transit(rest: string, operation: string): Meaning {
  if (transitUses.test(rest) && isWrite(operation)) return { action: 'use', kind: 'key' };
  if (/^export\//.test(rest) || /^backup\//.test(rest)) return { action: 'export', kind: 'key' };
  if (/^restore(?:\/|$)/.test(rest)) return { action: 'restore', kind: 'key' };
  if (/^keys\/[^/]+\/rotate$/.test(rest)) return { action: 'rotate', kind: 'key' };
  if (/^keys\/[^/]+\/(?:config|trim)$/.test(rest)) return { action: 'admin', kind: 'key' };
  if (/^(?:config|cache-config|keys\/config)/.test(rest))
    return { action: settingsAction(operation), kind: 'mount' };
  if (operation === 'read') return { action: 'list', kind: 'key' };
  // A transit key's deletion cannot be undone.
  return { action: operation === 'delete' ? 'destroy' : plainAction(operation), kind: 'key' };
}

function pki(rest: string, operation: string): Meaning {
  const kind = 'certificate';
  if (!isWrite(operation)) {
    if (operation === 'delete') return { action: 'delete', kind: rest.startsWith('roles/') ? 'role' : kind };
    // Certificates are public: reading one reads no secret.
    return { action: 'list', kind: rest.startsWith('roles/') ? 'role' : kind };
  }
  if (/^(?:issue|sign|sign-verbatim|issuer\/[^/]+\/(?:issue|sign))/.test(rest))
    return { action: 'issue', kind };
  if (/^(?:revoke|issuer\/[^/]+\/revoke)/.test(rest)) return { action: 'revoke', kind };
  if (/^(?:root|intermediate|issuers)\//.test(rest)) return { action: 'create', kind };
  return { action: 'admin', kind: rest.startsWith('roles/') ? 'role' : 'mount' };
}

function ssh(rest: string, operation: string): Meaning {
  const kind = 'certificate';
  if (/^(?:sign|issue|creds)\//.test(rest) && isWrite(operation)) return { action: 'issue', kind };
  if (/^verify/.test(rest)) return { action: 'use', kind };
  return { action: settingsAction(operation), kind: rest.startsWith('roles') ? 'role' : 'mount' };
}

/** Groups and aliases decide whose policies a person gets; entities may carry policies themselves. */
function identity(rest: string, operation: string): Meaning {
  if (rest.startsWith('oidc/token/')) return { action: 'issue', kind: 'token' };
  if (rest.startsWith('lookup/')) return { action: 'list', kind: 'identity' };
  if (operation === 'read' || operation === 'list' || operation === 'scan')
    return { action: 'list', kind: 'identity' };
  if (operation === 'delete') return { action: 'delete', kind: 'identity' };
  if (/^(?:group|group-alias|entity-alias|alias|persona|entity\/merge)(?:\/|$)/.test(rest))
    return { action: 'grant', kind: 'identity' };
  return {
    action: rest.startsWith('oidc/') || rest.startsWith('mfa/') ? 'admin' : plainAction(operation),
    kind: 'identity',
  };
}

export function isLogin(place: VaultPlace): boolean {
  return place.mount.startsWith('auth/') && /^(?:login(?:\/|$)|oidc\/callback$|callback$)/.test(place.rest);
}

function auth(place: VaultPlace, operation: string): Meaning {
  if (isLogin(place))
    return { action: isWrite(operation) || operation === 'read' ? 'login' : 'other', kind: 'identity' };
  if (place.type === 'token' || place.mount === 'auth/token') return token(place.rest, operation);
  const isLook = operation === 'read' || operation === 'list' || operation === 'scan';
  const secretId = /^(role\/[^/]+)\/secret-id(?:-accessor)?(?:\/(.+))?$/.exec(place.rest);
  if (secretId !== null) {
    const object = `${place.mount}/${secretId[1]}`;
    if (secretId[2]?.startsWith('destroy')) return { action: 'revoke', kind: 'role', object };
    if (secretId[2]?.startsWith('lookup') || isLook) return { action: 'list', kind: 'role', object };
    return { action: operation === 'delete' ? 'revoke' : 'issue', kind: 'role', object };
  }
  if (/^role\/[^/]+\/role-id$/.test(place.rest)) return { action: isLook ? 'read' : 'grant', kind: 'role' };
  if (/^users\/[^/]+\/password$/.test(place.rest)) return { action: 'rotate', kind: 'identity' };
  if (/^(?:role|roles|users|groups|map|certs)(?:\/|$)/.test(place.rest)) {
    const kind = /^(?:users|groups|map)/.test(place.rest) ? 'identity' : 'role';
    if (isLook) return { action: 'list', kind };
    // A role, user or group is what ties a login to policies.
    return { action: operation === 'delete' ? 'delete' : 'grant', kind };
  }
  return { action: isLook ? 'list' : 'admin', kind: 'mount' };
}

function token(rest: string, operation: string): Meaning {
  const kind = 'token';
  if (/^create(?:-orphan|\/|$)/.test(rest)) return { action: 'issue', kind };
  if (rest === 'renew' || rest.startsWith('renew-') || rest.startsWith('renew/'))
    return { action: 'renew', kind };
  // Giving back one's own token is what logging out is.
  if (rest === 'revoke-self') return { action: 'logout', kind };
  if (rest.startsWith('revoke')) return { action: 'revoke', kind };
  if (rest.startsWith('lookup') || rest.startsWith('accessors')) return { action: 'list', kind };
  if (rest.startsWith('roles')) {
    if (isWrite(operation)) return { action: 'grant', kind: 'role' };
    return { action: operation === 'delete' ? 'delete' : 'list', kind: 'role' };
  }
  return { action: settingsAction(operation), kind };
}
