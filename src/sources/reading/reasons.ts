import { drop, quarantine, type SetAsideOutcome } from '../../core/outcome.ts';

/** Understood, and meant to be left out. */
export const dropReasons = {
  tombstone: 'The record has no value (a Kafka tombstone).',
  empty: 'The value has no bytes, or only blanks.',
  empty_envelope: 'An envelope without elements.',
  digest: 'A CloudTrail digest file: about log files, not an act.',
  pointer: 'A notice that a log file lies elsewhere, without the events themselves.',
} as const;

/** Could not be understood: the bytes stay in `records`, and an operator should look. */
export const quarantineReasons = {
  too_large: 'More than 64 MiB, gunzipped.',
  part_too_large: 'One event of more than 8 MiB.',
  invalid_gzip: 'Begins like gzip and does not unpack.',
  invalid_utf8: 'Not UTF-8.',
  nul: 'Holds a NUL character, raw or escaped.',
  lone_surrogate: 'Holds half of a surrogate pair: no Unicode text.',
  no_json: 'No JSON object in it.',
  invalid_json: 'Not well-formed JSON.',
  too_deep: 'Nested deeper than 64.',
  duplicate_key: 'An object says the same key twice: which one counts is anybody’s guess.',
  proto_key: 'A key named __proto__: no system writes one, attacks do.',
  unknown_source: 'No source knows this shape.',
  ambiguous_source: 'More than one source knows this shape: name it with `--source` or in the config.',
  schema: 'A field the adapter reads is missing or has another type.',
  time_absurd: 'The event’s time cannot be, and the record has none to stand in for it.',
} as const;

export type DropReason = keyof typeof dropReasons;
export type QuarantineReason = keyof typeof quarantineReasons;

export function droppedFor(reason: DropReason): SetAsideOutcome {
  return drop(reason);
}

export function quarantinedFor(reason: QuarantineReason, detail?: string): SetAsideOutcome {
  return quarantine(reason, detail);
}
