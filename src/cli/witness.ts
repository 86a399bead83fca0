import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import type { Listen } from '../config/config.ts';
import { isLoopback, parseAddress } from '../config/listen.ts';
import { systemClock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { listen } from '../intake/listen.ts';
import { openWitness } from '../ledger/witness/identity.ts';
import { openKnownLogs } from '../ledger/witness/logs.ts';
import { witnessRoutes } from '../ledger/witness/routes.ts';
import { writeState } from '../ledger/witness/state.ts';
import { createWitness } from '../ledger/witness/witness.ts';
import { takeLock } from '../store/lock.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import * as events from '../telemetry/witnessEvents.ts';
import { fileError } from './fileError.ts';
import { processTerminal } from './output.ts';

interface WitnessFlags {
  readonly listen: string;
  readonly key: string;
  readonly state: string;
  readonly keys?: string;
  readonly name?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

export function witnessCommand(): Command {
  return new Command('witness')
    .description('a C2SP tlog-witness: cosigns what continues a log, refuses a fork. SIGTERM ends it.')
    .requiredOption('--listen <address>', 'host:port for POST /add-checkpoint')
    .requiredOption('--key <file>', 'private key of the witness, PKCS#8 PEM; made when missing')
    .requiredOption('--state <file>', 'what it cosigned last of each log; made with the key, never after')
    .option(
      '--keys <file>',
      'vkeys of the logs it knows, one a line, read again when changed (default: STATE.keys)',
    )
    .option(
      '--name <name>',
      'name of a new witness (default: keywitness-witness/ and 8 hex digits of its key)',
    )
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--insecure', 'listen beyond loopback without TLS')
    .option('--json', 'NDJSON also on a terminal')
    .addHelpText(
      'after',
      '\nExample:\n  keywitness witness --listen 127.0.0.1:9474 --key witness.pem --state witness.state --keys logs.txt\n',
    )
    .action(async (flags: WitnessFlags) => {
      try {
        await runWitness(flags);
      } catch (cause) {
        throw fileError(flags.state, cause);
      }
    });
}

async function runWitness(flags: WitnessFlags): Promise<void> {
  const address = listenOf(flags);
  const telemetry = createTelemetry();
  // Two names of one file are one state.
  const state = existsSync(flags.state) ? realpathSync(flags.state) : resolve(flags.state);
  const keys = flags.keys ?? `${flags.state}.keys`;
  mkdirSync(dirname(state), { recursive: true, mode: 0o700 });
  const release = takeLock(`${state}.lock`, state);
  try {
    const { key, name } = flags;
    const opened = openWitness({ key, state, ...(name === undefined ? {} : { name }) }, process.env);
    const { cosigner } = opened;
    const logs = openKnownLogs(keys, (error) => events.logKeysUnreadable(telemetry, error));
    const add = createWitness({
      cosigner,
      logs,
      state: opened.state,
      save: (next) => writeState(state, cosigner.verifier.publicKey, next),
      now: () => systemClock.now(),
    });
    const close = await listen(address, witnessRoutes(add, telemetry));
    const terminal = processTerminal(flags);
    const { vkey, name: known } = cosigner.verifier;
    terminal.out.write(
      terminal.isPeople ? `${vkey}\n` : `${JSON.stringify({ vkey, name: known, listen: flags.listen })}\n`,
    );
    events.witnessStarted(telemetry, { listen: flags.listen, state, keys, logs: logs.count });
    if (!opened.isKeyEncrypted) events.witnessKeyPlain(telemetry, key);
    await toldToEnd();
    await close();
    events.witnessStopped(telemetry);
  } finally {
    release();
  }
}

/** Beyond loopback only with TLS or an explicit `--insecure`, as the service. @throws KW_LISTEN, KW_USAGE */
function listenOf({ listen: address, tlsCert, tlsKey, insecure }: WitnessFlags): Listen {
  const { host, port } = parseAddress(address);
  if (!/^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):\d{1,5}$/.test(address) || port > 65535) {
    throw new KeywitnessError('KW_USAGE', `--listen ${address} is not host:port, such as 127.0.0.1:9474.`);
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new KeywitnessError('KW_USAGE', '--tls-cert and --tls-key belong together.');
  }
  if (!isLoopback(host) && tlsCert === undefined && insecure !== true) {
    throw new KeywitnessError(
      'KW_LISTEN',
      `${address} can be reached from outside: give --tls-cert and --tls-key, or say --insecure.`,
    );
  }
  return {
    host,
    port,
    insecure: insecure === true,
    ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { cert: tlsCert, key: tlsKey } }),
  };
}

function toldToEnd(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => done());
  });
}
