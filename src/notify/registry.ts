import { readdirSync } from 'node:fs';
import type { Notifier } from '../core/notifier.ts';
import type { NotifierDependencies, NotifierModule } from './notifier.ts';
import { createOutbox } from './outbox.ts';

/** Files of this folder that are no notifiers. */
const others = new Set(['notifier', 'registry', 'outbox']);

/** Every notifier of this folder, by name. */
export async function loadNotifiers(): Promise<NotifierModule[]> {
  const folder = new URL('./', import.meta.url);
  const names = readdirSync(folder)
    .filter((file) => /\.[jt]s$/.test(file) && !file.endsWith('.d.ts'))
    .filter((file) => !others.has(file.replace(/\.[jt]s$/, '')))
    .sort();
  const modules = names.map(async (file) => {
    const { notifier } = (await import(new URL(file, folder).href)) as { notifier?: NotifierModule };
    if (!notifier) throw new Error(`src/notify/${file} exports no notifier`);
    return notifier;
  });
  return Promise.all(modules);
}

export interface NotifySettings {
  /** By notifier name: its settings, as the configuration gives them. */
  readonly [name: string]: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The notifiers that are configured; every other one writes what it would have sent to `outboxDirectory`,
 * so that nothing people should hear is lost for want of a token.
 */
export async function createNotifiers(
  settings: NotifySettings,
  outboxDirectory: string,
  deps: NotifierDependencies,
): Promise<Notifier[]> {
  const modules = await loadNotifiers();
  return modules.map((module) => {
    const own = settings[module.name];
    return own ? module.create(own, deps) : createOutbox(module, outboxDirectory, deps);
  });
}
