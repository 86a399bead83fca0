import { blankEvent } from '../../src/core/event.ts';
import type { BaselineEvent } from '../../src/detect/baseline/event.ts';

/** An allowed read with the given fields. */
export function eventOf(timeMs: number, fields: Partial<BaselineEvent>): BaselineEvent {
  return {
    ...blankEvent(),
    source: 'test',
    action: 'read',
    operation: 'read',
    outcome: 'allowed',
    object_kind: 'secret',
    object_mount: 'kv',
    user_agent: 'agent/1',
    env: 'unknown',
    actor_env: 'unknown',
    team: '',
    secret: '',
    identity: '',
    identity_kind: 'unknown',
    network: '',
    geo_country: '',
    asn: 0,
    marks: [],
    ref: '',
    timeMs,
    ...fields,
  };
}
