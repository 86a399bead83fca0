import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Message, Notifier } from '../core/notifier.ts';
import type { NotifierDependencies, NotifierModule } from './notifier.ts';

/**
 * Stands in for a notifier that is not configured: writes exactly what it would have sent, one file per
 * message key. The same message again writes nothing; a newer state replaces the file.
 */
export function createOutbox(
  module: NotifierModule,
  directory: string,
  deps: NotifierDependencies,
): Notifier {
  // Messages hold names and addresses: for the owner of the data directory only.
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  return {
    name: module.name,
    updatesInPlace: true,
    isLocal: true,
    paceMs: 0,
    async send(message) {
      const { extension, body } = await module.render(message, {}, deps);
      const ending = `-${fileKey(message.key)}.${extension}`;
      const name = `${fileTime(message)}-${severityOf(message)}${ending}`;
      const path = join(directory, name);
      if (existsSync(path) && readFileSync(path).equals(body)) return { kind: 'delivered', ref: name };
      const fresh = `${path}.part`;
      writeFileSync(fresh, body, { mode: 0o600 });
      renameSync(fresh, path);
      // Severity and first event are in the name for people; when they changed, the older name goes.
      for (const other of readdirSync(directory)) {
        if (other.endsWith(ending) && other !== name) rmSync(join(directory, other));
      }
      return { kind: 'delivered', ref: name };
    },
    close: async () => {},
  };
}

/** Removes the messages of these keys; returns their files. */
export function removeFromOutbox(directory: string, keys: readonly string[]): string[] {
  if (!existsSync(directory)) return [];
  const endings = keys.map((key) => `-${fileKey(key)}.`);
  const files = readdirSync(directory).filter((name) => endings.some((ending) => name.includes(ending)));
  for (const name of files) rmSync(join(directory, name));
  return files;
}

/** Alert ids are safe as they are; a roll-up's key holds a rule's id, which comes from a file. */
function fileKey(key: string): string {
  return /^[0-9a-f]{16}$/.test(key) ? key : createHash('sha256').update(key).digest('hex').slice(0, 16);
}

function fileTime(message: Message): string {
  const time = message.kind === 'alert' ? message.alert.first : message.from;
  return time.slice(0, 16).replace(':', '');
}

function severityOf(message: Message): string {
  return message.kind === 'alert' ? message.alert.severity : message.severity;
}
