import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, type BrokerFiles } from './broker.ts';
import { formatStorage } from './kafkaHome.ts';
import { freePort } from './kafkaProcess.ts';

/** A broker that also listens with TLS alone, and with TLS and every login that Keywitness knows. */
export interface SecureBroker {
  readonly broker: Broker;
  /** Plain, for the test itself. */
  readonly address: string;
  readonly tlsAddress: string;
  readonly saslAddress: string;
  /** PEM of what signed the broker's certificate. */
  readonly ca: string;
  /** PEM of another authority. */
  readonly otherCa: string;
}

const user = 'ingest';
const storePassword = 'of-the-keystore';

export async function startSecureBroker(password: string): Promise<SecureBroker> {
  const tlsPort = await freePort();
  const saslPort = await freePort();
  let ca = '';
  const broker = await Broker.prepare(undefined, async (files) => {
    const keystore = join(files.dir, 'server.p12');
    ca = makeCertificate(keystore);
    appendFileSync(files.properties, secureProperties(files, { tlsPort, saslPort, keystore, password }));
    // SCRAM's users stand in the metadata log: it is formatted with them.
    formatStorage(files.libs, files.data, files.properties, scramUsers(password));
  });
  await broker.start();
  const at = (port: number) => `127.0.0.1:${port}`;
  return {
    broker,
    address: broker.address,
    tlsAddress: at(tlsPort),
    saslAddress: at(saslPort),
    ca,
    otherCa: otherAuthority(),
  };
}

function otherAuthority(): string {
  const dir = mkdtempSync(join(tmpdir(), 'keywitness-ca-'));
  try {
    return makeCertificate(join(dir, 'other.p12'));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Java's own keytool: where there is a broker there is one. A self-signed certificate is its own authority. */
function makeCertificate(keystore: string): string {
  const store = [
    '-alias',
    'server',
    '-keystore',
    keystore,
    '-storepass',
    storePassword,
    '-storetype',
    'PKCS12',
  ];
  const names = ['-dname', 'CN=127.0.0.1', '-ext', 'SAN=IP:127.0.0.1', '-validity', '2'];
  keytool('-genkeypair', ...store, '-keyalg', 'EC', '-groupname', 'secp256r1', ...names);
  return keytool('-exportcert', '-rfc', ...store);
}

function keytool(...words: string[]): string {
  return execFileSync('keytool', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Of two lines for one key the last counts. */
function secureProperties(
  { port, controllerPort }: BrokerFiles,
  secure: { tlsPort: number; saslPort: number; keystore: string; password: string },
): string {
  const outer =
    `PLAINTEXT://127.0.0.1:${port},SSL://127.0.0.1:${secure.tlsPort},` +
    `SASL_SSL://127.0.0.1:${secure.saslPort}`;
  const login = 'org.apache.kafka.common.security';
  const scram = `${login}.scram.ScramLoginModule required;`;
  const listener = 'listener.name.sasl_ssl';
  return `listeners=${outer},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=${outer}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
ssl.keystore.type=PKCS12
ssl.keystore.location=${secure.keystore}
ssl.keystore.password=${storePassword}
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
${listener}.scram-sha-512.sasl.jaas.config=${scram}
${listener}.scram-sha-256.sasl.jaas.config=${scram}
${listener}.plain.sasl.jaas.config=${login}.plain.PlainLoginModule required user_${user}="${secure.password}";
`;
}

function scramUsers(password: string): string[] {
  return ['SCRAM-SHA-512', 'SCRAM-SHA-256'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${user},password=${password}]`,
  ]);
}
