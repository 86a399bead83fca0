import ipaddr from 'ipaddr.js';
import { type BaselineEvent, baselineFields, entityOf } from './event.ts';

/** Values worked out from an event that documents may name beside its own fields. */
const derived: Readonly<Record<string, (event: BaselineEvent) => string>> = {
  entity: entityOf,
  place: placeOf,
  client: (e) => clientOf(e.user_agent),
  operation_class: operationClass,
};

export type FieldReader = (event: BaselineEvent) => string;

/** A reader for one field or a combination; '' when any part is absent, because absent is not a value. */
export function fieldReader(names: readonly string[]): FieldReader {
  const readers = names.map(
    (name) => derived[name] ?? ((e: BaselineEvent) => textOf(e[name as keyof BaselineEvent])),
  );
  if (readers.length === 0) return () => 'all';
  const [only] = readers;
  if (readers.length === 1 && only) return only;
  return (event) => {
    let out = '';
    for (const read of readers) {
      const value = read(event);
      if (value === '') return '';
      out = out === '' ? value : `${out} · ${value}`;
    }
    return out;
  };
}

/** Every name a document may use for a value. */
export const fieldNames: readonly string[] = [...Object.keys(derived), ...baselineFields];

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' && value !== 0 ? String(value) : '';
}

/**
 * A network of the catalog, else the autonomous system, else a range: people move between addresses of one
 * place all day (lessons-detection, 6).
 */
function placeOf(event: BaselineEvent): string {
  if (event.network !== '') return event.network;
  if (event.asn !== 0) return `AS${event.asn}`;
  if (event.src_ip === '') return '';
  // What one provider gives one customer: a /24 of IPv4, a /48 of IPv6.
  if (!event.src_ip.includes(':')) return `${event.src_ip.split('.').slice(0, 3).join('.')}.0/24`;
  // Groups of zeros are left out in ways that depend on the rest of the address.
  const groups = ipaddr.IPv6.parse(event.src_ip).parts.slice(0, 3);
  return `${groups.map((g) => g.toString(16)).join(':')}::/48`;
}

/** `openbao-api/2.5.0 (…)` → `openbao-api`: an upgrade is no new client. */
function clientOf(userAgent: string): string {
  return /^[^/\s(]+/.exec(userAgent)?.[0] ?? '';
}

/** What kind of act on what kind of thing where: the endpoint without the names of single objects. */
function operationClass(event: BaselineEvent): string {
  const token = event.flags.filter((f) => f === 'token_orphan' || f === 'token_periodic').join('+');
  return [event.action, event.object_kind, event.object_mount, event.operation, token]
    .filter((part) => part !== '')
    .join(' ');
}
