import { describe, expect, it } from 'vitest';
import type { Alert, Level } from '../../src/core/signal.ts';
import { finds, score, type TruthCase } from './scoring.ts';

const attack: TruthCase = {
  id: 'A1',
  label: 'attack',
  kind: 'theft',
  principal: 'ledger-prod',
  start: '2030-05-05T10:00:00.000Z',
  end: '2030-05-05T11:00:00.000Z',
  request_ids: ['r1', 'r2', 'r3'],
  accessors: ['hmac-a'],
  entity_ids: ['e-1'],
  source_ips: ['192.0.2.7'],
  paths: ['prod/data/payments/ledger/sftp'],
};
const silence: TruthCase = {
  ...attack,
  id: 'A2',
  end: '2030-06-30T00:00:00.000Z',
  request_ids: [],
  accessors: [],
  entity_ids: [],
  source_ips: [],
  paths: [],
  absence: true,
};
const slow: TruthCase = { ...silence, id: 'A3', absence: false, paths: attack.paths };
const lookalike: TruthCase = {
  ...attack,
  id: 'B1',
  label: 'benign',
  start: '2030-05-07T10:00:00.000Z',
  end: '2030-05-07T11:00:00.000Z',
  request_ids: ['b1'],
};

function alertOf(fields: Partial<Alert> & { severity?: Level }): Alert {
  return {
    id: 'x',
    rule: 'rule',
    title: '',
    severity: 'medium',
    state: 'open',
    first: '2030-05-05T10:10:00.000Z',
    last: '2030-05-05T10:20:00.000Z',
    identity: '',
    identityName: '',
    secret: '',
    secrets: [],
    srcIps: [],
    sessions: [],
    owner: '',
    requests: [],
    events: [],
    eventsTotal: 1,
    summary: '',
    advice: '',
    parts: [{ rule: 'rule', title: '', level: 'medium', count: 1, sentence: '' }],
    ...fields,
  };
}

describe('an alert finds an attack', () => {
  it("when a fifth of its requests are the attack's, not less", () => {
    expect(finds(alertOf({ requests: ['r1', 'x', 'x', 'x', 'x'] }), attack)).toBe(true);
    expect(finds(alertOf({ requests: ['r1', 'x', 'x', 'x', 'x', 'x'] }), attack)).toBe(false);
  });
  it('from five minutes before it begins to an hour after it ends', () => {
    const at = (first: string, last: string) => finds(alertOf({ first, last, requests: ['r1'] }), attack);
    expect(at('2030-05-05T09:00:00Z', '2030-05-05T09:55:00Z')).toBe(true);
    expect(at('2030-05-05T09:00:00Z', '2030-05-05T09:54:59Z')).toBe(false);
    expect(at('2030-05-05T12:00:00Z', '2030-05-05T13:00:00Z')).toBe(true);
    expect(at('2030-05-05T12:00:01Z', '2030-05-05T13:00:00Z')).toBe(false);
  });
  it('without requests by an accessor, its principal, entity or address', () => {
    expect(finds(alertOf({ sessions: ['hmac-a'] }), attack)).toBe(true);
    expect(finds(alertOf({ srcIps: ['192.0.2.7'] }), attack)).toBe(true);
    expect(finds(alertOf({ identityName: 'k8s-prod-payments-ledger-prod' }), attack)).toBe(true);
    expect(finds(alertOf({ identity: 'vault:main/entity/e-1' }), attack)).toBe(true);
    expect(finds(alertOf({ identityName: 'ledger-prod-2' }), attack)).toBe(false);
    expect(finds(alertOf({}), attack)).toBe(false);
    expect(finds(alertOf({ sessions: ['hmac-a'], first: '2030-05-05T08:59:59Z' }), attack)).toBe(false);
  });
  it('an absence by its principal however long; another long one by a path too', () => {
    const named = {
      identityName: 'ledger-prod',
      first: '2030-05-20T00:00:00Z',
      last: '2030-05-20T00:00:00Z',
    };
    expect(finds(alertOf(named), silence)).toBe(true);
    expect(finds(alertOf(named), slow)).toBe(false);
    expect(finds(alertOf({ ...named, secrets: ['vault:main/prod/payments/ledger/sftp'] }), slow)).toBe(true);
  });
});

describe('the score', () => {
  it('counts medium and above, low apart, and what finds nothing as false', () => {
    const alerts = [
      alertOf({ requests: ['r1'] }),
      alertOf({ severity: 'low', requests: ['r2'] }),
      alertOf({ severity: 'informational' }),
      alertOf({ severity: 'high', requests: ['z'] }),
      alertOf({ requests: ['b1'], first: lookalike.start, last: lookalike.end }),
    ];
    const s = score(alerts, [attack, silence, lookalike], 10);
    expect(s.found.map((f) => [f.id, f.delayMs])).toEqual([['A1', 600_000]]);
    expect(s.missed.map((m) => m.id)).toEqual(['A2']);
    expect(s.falseAlerts).toHaveLength(2);
    expect(s.falsePerDay).toBeCloseTo(0.2);
    expect(s.lowPerDay).toBeCloseTo(0.1);
    expect(s.lookalikes.map((l) => l.id)).toEqual(['B1']);
  });
  it('leaves out alerts about another log', () => {
    const other = alertOf({ first: '2023-01-01T00:00:00Z', last: '2023-01-01T00:00:00Z', requests: ['z'] });
    expect(score([other], [attack], 10).falseAlerts).toEqual([]);
  });
  it('a low alone finds nothing', () => {
    expect(score([alertOf({ severity: 'low', requests: ['r1'] })], [attack], 1).found).toEqual([]);
  });
});
