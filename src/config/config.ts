import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { KeywitnessError } from '../core/errors.ts';
import { packageRoot } from '../core/packageRoot.ts';
import { Secret } from '../core/secret.ts';
import {
  compileSchema,
  type Diagnostic,
  diagnosticsText,
  didYouMean,
  type PositionedYaml,
  parsePositioned,
  schemaDiagnostics,
} from './diagnostics.ts';
import type {
  ConfigDocument,
  ListenDocument,
  ReadingDocument,
  StreamDocument,
  TopicDocument,
} from './document.ts';
import { isLoopback, parseAddress } from './listen.ts';
import { substitute } from './substitute.ts';

/** Where a server listens. Beyond loopback only with TLS or an explicit `insecure`. */
export interface Listen {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly insecure: boolean;
}

/** How the bytes of a topic or HTTP stream are to be read. */
export interface ReadingConfig {
  /** Absent = each record is looked at. */
  readonly source?: string;
  readonly settings: {
    readonly store: string;
    readonly cluster: string;
    readonly host: string;
    readonly zone: string;
    readonly kv2?: readonly string[];
  };
}

/** A topic or HTTP stream. */
interface StreamConfig extends ReadingConfig {
  readonly name: string;
}

/** All topics whose whole name matches, also those that come later; one that is named stands for itself. */
interface TopicPattern extends ReadingConfig {
  readonly pattern: RegExp;
}

interface KafkaConfig {
  readonly brokers: readonly string[];
  readonly groupId: string;
  readonly topics: readonly StreamConfig[];
  readonly patterns: readonly TopicPattern[];
  /** Path of a PEM file, or true for the system's authorities. */
  readonly ssl?: true | { readonly ca: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: Secret;
  };
}

export interface WitnessConfig {
  readonly url: string;
  /** A vkey of type 0x04. */
  readonly key: string;
}

export interface Config {
  /** The file it came from; paths in it start from its folder. */
  readonly file: string;
  readonly data: string;
  readonly anchor: string;
  /** Who else remembers: C2SP tlog-witness, by submission prefix and vkey. */
  readonly witnesses: readonly WitnessConfig[];
  readonly catalog?: string;
  /** Absent = the rules that come with Keywitness. */
  readonly rules?: readonly string[];
  readonly cluster: string;
  readonly listen: Listen;
  readonly kafka?: KafkaConfig;
  /** Absent = the embedded engine. */
  readonly store?: {
    readonly url: string;
    readonly user: string;
    readonly password: Secret;
  };
  /** For how long records are kept at least, such as `12m`; absent = `keywitness retention` is told each time. */
  readonly keep?: string;
  readonly http?: Listen & {
    readonly streams: readonly (StreamConfig & { readonly tokens: readonly string[] })[];
  };
  readonly notify: {
    readonly slack?: { readonly token: Secret; readonly channel: string; readonly apiUrl?: string };
    /** `smtp` is a URL that may hold a password. */
    readonly email?: {
      readonly smtp: Secret;
      readonly from: string;
      readonly to: readonly string[];
      readonly insecure: boolean;
    };
  };
}

export interface ConfigOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Names of the sources there are, to catch a slip before anything starts. */
  readonly sources?: readonly string[];
}

export const configSchema = JSON.parse(
  readFileSync(`${packageRoot}schemas/config.schema.json`, 'utf8'),
) as object;
const validate = compileSchema<ConfigDocument>(configSchema);

/** Health and metrics: on loopback, on a port that no well-known service has. */
const listenDefault = '127.0.0.1:9473';
const clusterDefault = 'main';

/** The configuration, or all that is wrong with it and where. */
export function parseConfig(
  text: string,
  file: string,
  options: ConfigOptions = {},
): { config?: Config; diagnostics: readonly Diagnostic[]; isListenOnly: boolean } {
  const yaml = parsePositioned(text, file);
  const wrong = (diagnostics: readonly Diagnostic[]) => ({ diagnostics, isListenOnly: false });
  if (yaml.diagnostics.length > 0) return wrong(yaml.diagnostics);
  const found: Diagnostic[] = [];
  const say = (path: readonly (string | number)[], message: string) =>
    void found.push(yaml.diagnostic(path, message));
  const folder = dirname(resolve(file));
  const value = substitute(yaml.value ?? {}, { env: options.env ?? process.env, folder, say });
  if (!validate(value)) return wrong([...found, ...schemaDiagnostics(yaml, validate.errors ?? [])]);
  found.push(...streamChecks(value, yaml, options.sources), ...urlChecks(value, yaml));
  const listening = listenChecks(value, yaml);
  const diagnostics = [...found, ...listening];
  if (diagnostics.length > 0) return { diagnostics, isListenOnly: found.length === 0 };
  const config = configOf(value, file, folder, options.env ?? process.env);
  return { config, diagnostics, isListenOnly: false };
}

/** Reads and checks a configuration file. Throws KW_CONFIG, or KW_LISTEN when only an address is wrong. */
export function loadConfig(path: string, options: ConfigOptions = {}): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KeywitnessError('KW_CONFIG', `${path} cannot be read. \`keywitness config init\` writes one.`, {
      cause,
    });
  }
  const { config, diagnostics, isListenOnly } = parseConfig(text, path, options);
  if (config) return config;
  throw new KeywitnessError(isListenOnly ? 'KW_LISTEN' : 'KW_CONFIG', `\n${diagnosticsText(diagnostics)}`);
}

/** Names of sources and zones that exist, and one name for one stream: a second would be read as the first. */
function streamChecks(
  document: ConfigDocument,
  yaml: PositionedYaml,
  sources: readonly string[] | undefined,
): Diagnostic[] {
  const lists = [
    ['kafka', 'topics', document.kafka?.topics ?? [], `${document.cluster ?? clusterDefault}.`],
    ['http', 'streams', document.http?.streams ?? [], ''],
  ] as const;
  const names = new Set<string>();
  return lists.flatMap(([section, key, streams, prefix]) =>
    streams.flatMap(({ name, pattern, source, zone }: TopicDocument, i) => {
      const at = (what: string, message: string) => yaml.diagnostic([section, key, i, what], message);
      const out: Diagnostic[] = [];
      const stream = `${prefix}${name}`;
      if (names.has(stream)) out.push(at('name', `there are two streams \`${stream}\``));
      if (name !== undefined) names.add(stream);
      if (name !== undefined && pattern !== undefined)
        out.push(at('pattern', 'a topic has a `name` or a `pattern`, not both'));
      const flaw = pattern === undefined ? '' : patternFlaw(pattern);
      if (flaw !== '') out.push(at('pattern', `\`${pattern}\` is no regular expression: ${flaw}`));
      if (source !== undefined && sources?.includes(source) === false)
        out.push(at('source', `there is no source \`${source}\`${didYouMean(source, sources)}`));
      if (zone !== undefined && !isZone(zone)) out.push(at('zone', `there is no time zone \`${zone}\``));
      return out;
    }),
  );
}

/** What is wrong with a regular expression; '' when nothing is. */
function patternFlaw(pattern: string): string {
  try {
    wholeName(pattern);
    return '';
  } catch (error) {
    return (error as Error).message.split(': ').at(-1) ?? '';
  }
}

function wholeName(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, 'u');
}

function isZone(zone: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

function urlChecks(document: ConfigDocument, yaml: PositionedYaml): Diagnostic[] {
  const out: Diagnostic[] = [];
  /** The message never repeats the URL: somebody has put a password in it. */
  const check = (path: readonly (string | number)[], url: string, name: string, advice = '') => {
    if (!URL.canParse(url)) out.push(yaml.diagnostic(path, `${name} is no URL`));
    else if (new URL(url).username + new URL(url).password !== '')
      out.push(yaml.diagnostic(path, `${name} holds a user${advice}`));
  };
  const { store, anchors } = document;
  if (store) check(['store', 'url'], store.url, '`store.url`', ': give `user` and `password` instead');
  const keys = new Set<string>();
  for (const [i, { url, key }] of (anchors?.witness ?? []).entries()) {
    check(['anchors', 'witness', i, 'url'], url, 'the `url` of a witness');
    if (keys.has(key))
      out.push(yaml.diagnostic(['anchors', 'witness', i, 'key'], 'this witness is listed twice'));
    keys.add(key);
  }
  return out;
}

function listenChecks(document: ConfigDocument, yaml: PositionedYaml): Diagnostic[] {
  const out: Diagnostic[] = [];
  const check = (
    address: string,
    safe: { tls?: unknown; insecure?: boolean },
    path: readonly (string | number)[],
  ) => {
    const { host, port } = parseAddress(address);
    if (port > 65535) out.push(yaml.diagnostic(path, `there is no port ${port}`));
    else if (!isLoopback(host) && safe.tls === undefined && safe.insecure !== true) {
      const message = `\`${address}\` can be reached from outside: give \`tls\`, or say \`insecure: true\``;
      out.push(yaml.diagnostic(path, message));
    }
  };
  const { listen, http } = document;
  if (typeof listen === 'string') check(listen, {}, ['listen']);
  else if (listen) check(listen.address, listen, ['listen', 'address']);
  if (http) check(http.listen, http, ['http', 'listen']);
  return out;
}

function configOf(
  d: ConfigDocument,
  file: string,
  folder: string,
  env: NonNullable<ConfigOptions['env']>,
): Config {
  const path = (p: string) => (isAbsolute(p) ? p : resolve(folder, p));
  const cluster = d.cluster ?? clusterDefault;
  const data = path(d.data ?? './.keywitness');
  const listen = typeof d.listen === 'object' ? d.listen : { address: d.listen ?? listenDefault };
  return {
    file,
    data,
    anchor: env.KEYWITNESS_ANCHOR_FILE
      ? resolve(env.KEYWITNESS_ANCHOR_FILE)
      : d.anchor === undefined
        ? `${data}.anchor`
        : path(d.anchor),
    witnesses: d.anchors?.witness ?? [],
    ...(d.catalog === undefined ? {} : { catalog: path(d.catalog) }),
    ...(d.rules === undefined ? {} : { rules: d.rules.map(path) }),
    cluster,
    listen: listenOf(listen, path),
    ...(d.kafka === undefined ? {} : { kafka: kafkaOf(d.kafka, cluster, path) }),
    ...(d.store === undefined ? {} : { store: storeOf(d.store) }),
    ...(d.retention?.keep === undefined ? {} : { keep: d.retention.keep }),
    ...(d.http === undefined ? {} : { http: httpOf(d.http, cluster, path) }),
    notify: notifyOf(d.notify ?? {}),
  };
}

type PathOf = (p: string) => string;

function listenOf(listen: ListenDocument, path: PathOf): Listen {
  const tls = listen.tls && { cert: path(listen.tls.cert), key: path(listen.tls.key) };
  return { ...parseAddress(listen.address), ...(tls ? { tls } : {}), insecure: listen.insecure === true };
}

function streamOf(d: StreamDocument, cluster: string): StreamConfig {
  return { name: d.name, ...readingOf(d, cluster) };
}

function readingOf(d: ReadingDocument, cluster: string): ReadingConfig {
  return {
    ...(d.source === undefined ? {} : { source: d.source }),
    settings: {
      store: d.store ?? 'main',
      cluster: d.cluster ?? cluster,
      host: d.host ?? 'main',
      zone: d.zone ?? 'UTC',
      ...(d.kv2 === undefined ? {} : { kv2: d.kv2 }),
    },
  };
}

function kafkaOf(d: NonNullable<ConfigDocument['kafka']>, cluster: string, path: PathOf): KafkaConfig {
  const { ssl, sasl } = d;
  const ca = typeof ssl === 'object' ? ssl.ca : undefined;
  return {
    brokers: d.brokers,
    groupId: d.groupId ?? 'keywitness',
    topics: d.topics.flatMap((t) => (t.name === undefined ? [] : { name: t.name, ...readingOf(t, cluster) })),
    patterns: d.topics.flatMap((t) =>
      t.pattern === undefined ? [] : { pattern: wholeName(t.pattern), ...readingOf(t, cluster) },
    ),
    ...(ca !== undefined ? { ssl: { ca: path(ca) } } : ssl ? { ssl: true as const } : {}),
    ...(sasl ? { sasl: { ...sasl, password: new Secret(sasl.password) } } : {}),
  };
}

function storeOf(d: NonNullable<ConfigDocument['store']>): NonNullable<Config['store']> {
  return {
    url: d.url,
    user: d.user ?? 'default',
    password: new Secret(d.password ?? ''),
  };
}

function httpOf(
  d: NonNullable<ConfigDocument['http']>,
  cluster: string,
  path: PathOf,
): NonNullable<Config['http']> {
  return {
    ...listenOf({ ...d, address: d.listen }, path),
    streams: d.streams.map((s) => ({ ...streamOf(s, cluster), tokens: s.tokens })),
  };
}

function notifyOf(d: NonNullable<ConfigDocument['notify']>): Config['notify'] {
  const { slack, email } = d;
  return {
    ...(slack ? { slack: { ...slack, token: new Secret(slack.token) } } : {}),
    ...(email
      ? {
          email: {
            smtp: new Secret(email.smtp),
            from: email.from,
            to: typeof email.to === 'string' ? [email.to] : email.to,
            insecure: email.insecure === true,
          },
        }
      : {}),
  };
}
