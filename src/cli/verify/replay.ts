import { kafkaOptions } from '../../app/kafkaOptions.ts';
import { type ReplayedTree, replayTopics } from '../../app/replay.ts';
import { type Config, loadConfig } from '../../config/config.ts';
import { KeywitnessError } from '../../core/errors.ts';
import { streamKeyText } from '../../core/record.ts';
import { openTopicReader } from '../../intake/kafkaReplay.ts';
import {
  type Finding,
  type FindingClass,
  type VerifyReport,
  verdictExits,
  worstFirst,
  worstVerdict,
} from '../../ledger/audit/findings.ts';
import type { Engine } from '../../store/client.ts';
import { printRows, type Terminal } from '../output.ts';
import { progressBar } from '../progress.ts';

/** What the topics say beside what the store says of itself. */
export interface ReplayReport {
  readonly report: VerifyReport;
  readonly replayed: readonly ReplayedTree[];
}

/** `same` and `past` are nothing to find: an older epoch stands in the meta-log. */
const classes: Readonly<Partial<Record<ReplayedTree['status'], FindingClass>>> = {
  differs: 'replay-differs',
  lost: 'replay-lost',
  extra: 'replay-extra',
  gone: 'replay-unknown',
  other: 'replay-unknown',
};

/** Where the topics are. */
export interface ReplayFrom {
  readonly cluster: string;
  readonly kafka: NonNullable<Config['kafka']>;
}

/** What `--replay` reads, before anything long begins. @throws KW_USAGE, KW_CONFIG */
export function replayFrom(configFile: string | undefined): ReplayFrom {
  if (configFile === undefined) {
    throw new KeywitnessError(
      'KW_USAGE',
      '--replay reads the topics of a configuration: name it with --config.',
    );
  }
  const { cluster, kafka } = loadConfig(configFile);
  if (kafka === undefined) throw new KeywitnessError('KW_CONFIG', `${configFile} has no \`kafka\`.`);
  return { cluster, kafka };
}

/** Reads the topics again, beside a store. @throws KW_BROKER */
export async function withReplay(
  report: VerifyReport,
  engine: Engine,
  { cluster, kafka }: ReplayFrom,
): Promise<ReplayReport> {
  const reader = await openTopicReader(kafkaOptions(cluster, kafka), kafka.groupId);
  const bar = progressBar('replay');
  const total = report.trees.reduce((n, t) => n + t.records, 0);
  let read = 0;
  const onProgress = (records: number) => {
    read += records;
    bar.update(Math.min(read, total), total, read);
  };
  try {
    const replayed = await replayTopics({ engine, logId: report.logId, cluster, reader, onProgress });
    const findings = worstFirst([...report.findings, ...replayed.flatMap(findingOf)]);
    const verdict = worstVerdict(findings);
    return { report: { ...report, findings, verdict, exit: verdictExits[verdict] }, replayed };
  } finally {
    bar.end();
    await reader.close();
  }
}

function findingOf(tree: ReplayedTree): Finding[] {
  const found = classes[tree.status];
  if (found === undefined) return [];
  const at = tree.offset === undefined ? {} : { offset: tree.offset };
  return [{ class: found, tree: streamKeyText(tree), ...at, detail: tree.detail }];
}

/** For people: each Kafka tree, what its topic says of it, and the root that follows from the topic. */
export function printReplay(replayed: readonly ReplayedTree[], terminal: Terminal): void {
  terminal.out.write('\n');
  printRows(
    terminal,
    replayed.map((t) => ({
      stream: streamKeyText(t),
      replay: t.offset === undefined ? t.status : `${t.status} at ${t.offset}`,
      'from topic': t.replayed,
      'from store': t.kept,
      root: t.root,
    })),
    ['stream', 'replay', 'from topic', 'from store', 'root'],
  );
}
