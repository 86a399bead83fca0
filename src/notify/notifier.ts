import type { Clock } from '../core/clock.ts';
import type { Message, Notifier } from '../core/notifier.ts';
import { Secret } from '../core/secret.ts';

export interface NotifierDependencies {
  readonly clock: Clock;
  /** How people call us, for the commands in messages. */
  readonly command: string;
}

export interface Rendered {
  /** Ending of the file's name in the outbox: `slack.json`, `eml`. */
  readonly extension: string;
  readonly body: Buffer;
}

/**
 * A notifier: how one kind of receiver is told. One file each in this folder, exported as `notifier`;
 * the folder is the registry, and the shared suite in test/notify runs over every one.
 */
export interface NotifierModule {
  /** File name, key under `notify:` in the configuration and name in the delivery log. */
  readonly name: string;
  /** Settings have passed the configuration's schema; secrets in them are text or `Secret`. */
  create(settings: Readonly<Record<string, unknown>>, deps: NotifierDependencies): Notifier;
  /** Exactly what would be sent, for the outbox: the same message gives the same bytes. */
  render(
    message: Message,
    settings: Readonly<Record<string, unknown>>,
    deps: NotifierDependencies,
  ): Promise<Rendered>;
}

/** Gives the type its name at the definition: `export const notifier = defineNotifier({…})`. */
export function defineNotifier(module: NotifierModule): NotifierModule {
  return module;
}

export const commandDefault = 'npx keywitness';

/** A setting that must not be printed, however the configuration handed it over. */
export function secretOf(value: unknown): Secret | undefined {
  if (value instanceof Secret) return value;
  return typeof value === 'string' && value !== '' ? new Secret(value) : undefined;
}
