import type { Native } from '../reading/fields.ts';
import type { StreamSettings } from '../source.ts';
import type { VaultPlace } from './path.ts';

/** One entry of an audit device, taken apart. */
export interface Facts {
  readonly entry: Native;
  readonly request: Native;
  readonly response: Native;
  readonly place: VaultPlace;
  readonly settings: StreamSettings;
}

/** What stands before every hashed value. */
export const hmac = 'hmac-sha256:';

export function isHmac(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(hmac);
}

export function hmacText(value: unknown): string {
  return isHmac(value) ? value : '';
}
