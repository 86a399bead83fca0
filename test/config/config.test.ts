// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the syntax under test
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/config/config.ts';
import { diagnosticsText } from '../../src/config/diagnostics.ts';
import { isLoopback } from '../../src/config/listen.ts';
import { configTemplate } from '../../src/config/template.ts';

const env = {
  KAFKA_PASSWORD: 'canary-kafka',
  SLACK_TOKEN: 'xoxb-canary',
  SMTP_URL: 'smtps://u:canary@mail.example',
};
const witnessKey = 'w+1a2b3c4d+BHYgdYSduB35PVJiJQFIs8987xZTWua3ONX79oVnZurK';
const parse = (text: string, more: Record<string, string> = {}) =>
  parseConfig(text, '/etc/keywitness/keywitness.yaml', {
    env: { ...env, ...more },
    sources: ['vault', 'cloudtrail'],
  });
const said = (text: string) =>
  diagnosticsText(parse(text).diagnostics).replaceAll('/etc/keywitness/keywitness.yaml:', '');

describe('the configuration says where it is wrong', () => {
  it.each([
    ['kafak: {}', '1:1: error: unknown key `kafak`; did you mean `kafka`?'],
    [
      'kafka:\n  brokers: ["127.0.0.1:9092"]\n  topics: [{ name: a, source: vualt }]',
      '3:31: error: there is no source `vualt`; did you mean `vault`?',
    ],
    [
      'kafka:\n  brokers: [nowhere]\n  topics: [{ name: a }]',
      '2:13: error: `kafka.brokers.0` has the wrong form: host:port, such as 127.0.0.1:9473 or [::1]:9473',
    ],
    ['kafka:\n  brokers: ["a:1"]', '2:3: error: `kafka` lacks `topics`'],
    ['store: { url: "${NOT_THERE}" }', '1:15: error: the environment has no variable NOT_THERE'],
    [
      'data: ${NOT THERE}',
      '1:7: error: a variable is written ${NAME} or ${NAME:-default}; a literal ${ is $${',
    ],
    [
      'cluster: my.cluster',
      '1:10: error: `cluster` has the wrong form: letters, digits, underscore and hyphen, at most 32; not file, http or keywitness',
    ],
    [
      'cluster: file',
      '1:10: error: `cluster` has the wrong form: letters, digits, underscore and hyphen, at most 32; not file, http or keywitness',
    ],
    [
      'kafka:\n  brokers: ["a:1"]\n  topics: [{ source: vault }]',
      '3:12: error: `kafka.topics.0` lacks one of name, pattern',
    ],
    [
      'kafka:\n  brokers: ["a:1"]\n  topics: [{ name: a, pattern: a }]',
      '3:32: error: a topic has a `name` or a `pattern`, not both',
    ],
    [
      'kafka:\n  brokers: ["a:1"]\n  topics: [{ pattern: "a(" }]',
      '3:23: error: `a(` is no regular expression: Unterminated group',
    ],
    [
      'kafka:\n  brokers: ["a:1"]\n  topics: [{ pattern: a, patern: b }]',
      '3:26: error: unknown key `patern`; did you mean `pattern`?',
    ],
    [
      'kafka:\n  brokers: ["a:1"]\n  topics: [{ name: a }, { name: a }]',
      '3:33: error: there are two streams `main.a`',
    ],
    [
      `kafka: { brokers: ["a:1"], topics: [{ name: a }] }\nhttp:\n  listen: 127.0.0.1:1\n  streams: [{ name: main.a, tokens: ["sha256:${'0'.repeat(64)}"] }]`,
      '4:21: error: there are two streams `main.a`',
    ],
    [
      'kafka: { brokers: ["a:1"], topics: [{ name: a, zone: Mars/Olympus }] }',
      '1:54: error: there is no time zone `Mars/Olympus`',
    ],
    ['store: { url: "http://" }', '1:15: error: `store.url` is no URL'],
    [
      'store: { url: "http://u:pw@db" }',
      '1:15: error: `store.url` holds a user: give `user` and `password` instead',
    ],
    [
      `anchors: { witness: [{ url: "https://w", key: ${witnessKey} }, { url: "ftp://w", key: ${witnessKey} }] }`,
      '1:113: error: `anchors.witness.1.url` has the wrong form: http:// or https://: the prefix that /add-checkpoint lies below (C2SP tlog-witness)',
    ],
    [
      'anchors: { witness: [{ url: "https://u:pw@w", key: "w+00000000+AAAA" }] }',
      "1:52: error: `anchors.witness.0.key` has the wrong form: the witness's vkey (type 0x04), as `keywitness witness` prints it",
    ],
    [
      `anchors: { witness: [{ url: "https://u:pw@w", key: ${witnessKey} }] }`,
      '1:29: error: the `url` of a witness holds a user',
    ],
    [
      `anchors:\n  witness:\n    - { url: "https://w", key: ${witnessKey} }\n    - { url: "https://v", key: ${witnessKey} }`,
      '4:32: error: this witness is listed twice',
    ],
    [
      'a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c, *c]',
      '1:1: error: too many aliases',
    ],
    ['data: file:/nowhere/at/all', '1:7: error: the file /nowhere/at/all cannot be read (ENOENT)'],
  ])('%s', (text, expected) => {
    expect(said(text).split('\n')[0]).toBe(expected);
  });
  it('names every mistake in one run', () => {
    expect(said('dat: x\nlisen: y\n').split('\n')).toHaveLength(2);
  });
});

describe('values are put in after parsing', () => {
  it('whatever a variable holds, it is one text and never structure', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (value) => {
        const { config } = parse('notify: { slack: { token: "${T}", channel: "#a" } }', { T: value });
        expect(config?.notify.slack?.token.reveal()).toBe(value);
      }),
    );
    const { config } = parse('cluster: main\ndata: ${T}', { T: 'x\ncluster: other # "' });
    expect(config?.cluster).toBe('main');
  });
  it('takes defaults, literals, parts of a value and files without their last line break', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kw-config-'));
    writeFileSync(join(folder, 'password'), 'from file\n');
    writeFileSync(
      join(folder, 'keywitness.yaml'),
      'data: "/d/${A:-x}/$${B}"\nstore: { url: "http://${HOST_PART}:8123", password: file:./password }\n',
    );
    const config = loadConfig(join(folder, 'keywitness.yaml'), { env: { HOST_PART: 'db' } });
    expect(config.data).toBe('/d/x/${B}');
    expect(config.store?.url).toBe('http://db:8123');
    expect(config.store?.password.reveal()).toBe('from file');
  });
  it('starts relative paths from the folder of the file', () => {
    const { config } = parse('data: ./state\ncatalog: catalog.yaml\nrules: [mine, /abs]');
    expect(config).toMatchObject({
      data: '/etc/keywitness/state',
      anchor: '/etc/keywitness/state.anchor',
      catalog: '/etc/keywitness/catalog.yaml',
      rules: ['/etc/keywitness/mine', '/abs'],
    });
  });
});

describe('secrets of the configuration', () => {
  const text = [
    'kafka: { brokers: ["a:1"], topics: [{ name: t }], sasl: { mechanism: plain, username: u, password: "${KAFKA_PASSWORD}" } }',
    'notify:',
    '  slack: { token: "${SLACK_TOKEN}", channel: "#a" }',
    '  email: { smtp: "${SMTP_URL}", from: a@example.com, to: b@example.com }',
  ].join('\n');
  it('are shown by nothing that prints the configuration', () => {
    const { config } = parse(text);
    expect(config?.kafka?.sasl?.password.reveal()).toBe('canary-kafka');
    for (const shown of [
      JSON.stringify(config),
      inspect(config, { depth: 9 }),
      String(config?.notify.email?.smtp),
    ]) {
      expect(shown).not.toContain('canary');
    }
  });
  it('are not repeated by a message about them', () => {
    const wrong = text
      .replace('mechanism: plain', 'mechanism: "${SLACK_TOKEN}"')
      .replace('smtp: "', 'smtp: "x');
    const message = diagnosticsText(parse(wrong).diagnostics);
    expect(message).toContain('`kafka.sasl.mechanism` must be one of plain');
    expect(message).toContain('`notify.email.smtp` has the wrong form');
    expect(message).not.toContain('canary');
  });
});

describe('a password that YAML reads as something else', () => {
  it.each([
    '*canary',
    '|canary',
    '>canary',
    '&canary',
    '@canary',
    '"canary" canary',
    '{canary',
    'canary: canary',
  ])('%s is refused by its place, and not repeated', (password) => {
    const message = said(`store:\n  url: http://db\n  password: ${password}\n`);
    expect(message).toMatch(/^[34]:\d+: error: /);
    expect(message).not.toContain('canary');
  });
});

describe('the anchor file', () => {
  it('is the one the environment names, then the configuration, then the one beside the data', () => {
    const anchorOf = (text: string, more = {}) => parse(text, more).config?.anchor;
    expect(anchorOf('data: /d')).toBe('/d.anchor');
    expect(anchorOf('data: /d\nanchor: /a')).toBe('/a');
    expect(anchorOf('data: /d\nanchor: /a', { KEYWITNESS_ANCHOR_FILE: '/b' })).toBe('/b');
  });
});

describe('listening beyond loopback', () => {
  it.each(['127.0.0.1:9473', '127.9.9.9:1', '"[::1]:9473"', 'localhost:9473'])(
    '%s needs nothing',
    (address) => {
      expect(parse(`listen: ${address}`).diagnostics).toEqual([]);
    },
  );
  it.each(['0.0.0.0:9473', '"[::]:9473"', '10.0.0.1:9473', '127.0.0.1.example.com:9473'])(
    '%s is refused',
    (a) => {
      const { diagnostics, isListenOnly } = parse(`listen: ${a}`);
      expect(diagnosticsText(diagnostics)).toContain('can be reached from outside');
      expect(isListenOnly).toBe(true);
    },
  );
  it('is allowed with TLS or an explicit insecure, for each server by itself', () => {
    expect(parse('listen: { address: "0.0.0.0:1", insecure: true }').config?.listen.insecure).toBe(true);
    expect(parse('listen: { address: "0.0.0.0:1", insecure: false }').config).toBeUndefined();
    const tls = parse('listen: { address: "0.0.0.0:1", tls: { cert: c.pem, key: k.pem } }').config?.listen;
    expect(tls).toMatchObject({ host: '0.0.0.0', port: 1, tls: { cert: '/etc/keywitness/c.pem' } });
    const http = `http: { listen: "0.0.0.0:2", streams: [{ name: a, tokens: ["sha256:${'0'.repeat(64)}"] }] }`;
    expect(parse(`listen: { address: "0.0.0.0:1", insecure: true }\n${http}`).config).toBeUndefined();
  });
  it('is KW_LISTEN with exit code 3 when nothing else is wrong', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'kw-config-')), 'keywitness.yaml');
    writeFileSync(file, 'listen: 0.0.0.0:9473\n');
    expect(() => loadConfig(file)).toThrow(expect.objectContaining({ code: 'KW_LISTEN', exit: 3 }));
    writeFileSync(file, 'listne: 0.0.0.0:9473\n');
    expect(() => loadConfig(file)).toThrow(expect.objectContaining({ code: 'KW_CONFIG', exit: 3 }));
  });
  it('knows loopback by address, not by spelling', () => {
    expect(isLoopback('127.1')).toBe(false);
    expect(isLoopback('0127.0.0.1')).toBe(false);
  });
});

describe('the template', () => {
  it('is valid as written, and with everything in it switched on', () => {
    const text = configTemplate('schemas/config.schema.json');
    expect(parse(text).diagnostics).toEqual([]);
    expect(text.startsWith('# yaml-language-server: $schema=schemas/config.schema.json\n')).toBe(true);
    const all = text.replace(/^# (\s*(- |[a-zA-Z]+:))/gm, '$1');
    const { config, diagnostics } = parse(all.replace('file:./clickhouse-password', 'x'));
    expect(diagnosticsText(diagnostics)).toBe('');
    expect(config?.kafka?.topics.map((t) => t.name)).toEqual(['vault-audit', 'cloudtrail']);
    expect(config?.http?.streams).toHaveLength(1);
    expect(config?.store?.user).toBe('keywitness');
    expect(config?.notify.email?.to).toEqual(['security@example.com']);
    expect(config?.witnesses.map((w) => w.url)).toEqual(['https://witness.example.com']);
  });
});
