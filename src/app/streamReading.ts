import type { Config, ReadingConfig } from '../config/config.ts';
import { KeywitnessError } from '../core/errors.ts';
import { type SourceRegistry, sourceNamed } from '../sources/registry.ts';
import { defaultStreamSettings } from '../sources/source.ts';
import type { StreamReading } from './sink.ts';

/** How a live stream is read: as its topic or HTTP stream is configured. @throws KW_CONFIG */
export function readingOf(config: Config, sources: SourceRegistry, stream: string): StreamReading {
  const topic = topicReading(config, stream);
  if (topic !== undefined) return { transport: 'kafka', ...sourceOf(topic, sources) };
  const http = config.http?.streams.find((s) => s.name === stream);
  if (http !== undefined) return { transport: 'http', ...sourceOf(http, sources) };
  throw new KeywitnessError('KW_CONFIG', `No topic or HTTP stream of the configuration is ${stream}.`);
}

/** A topic that is named stands for itself, whatever patterns say; of several patterns the first one counts. */
function topicReading({ cluster, kafka }: Config, stream: string): ReadingConfig | undefined {
  if (kafka === undefined || !stream.startsWith(`${cluster}.`)) return undefined;
  const name = stream.slice(cluster.length + 1);
  return (
    kafka.topics.find((t) => t.name === name) ?? kafka.patterns.find(({ pattern }) => pattern.test(name))
  );
}

function sourceOf(
  { source, settings }: ReadingConfig,
  sources: SourceRegistry,
): Pick<StreamReading, 'source' | 'settings'> {
  const name = source === undefined ? '' : sourceNamed(sources, source).name;
  return { source: name, settings: { ...defaultStreamSettings, ...settings } };
}
