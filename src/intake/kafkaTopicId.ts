/**
 * Metadata of version 10 for a kafkajs that ends at 6: from there on a topic has an id (KIP-516), and a topic that
 * was re-created another one. Nothing older says so: offsets, leaders and epochs of the new one may all look like
 * those of the old. Pinned with kafkajs 2.2.4; held by tests against a real broker.
 */

/** A request definition of kafkajs: `protocol` gives what builds a request and reads its response. */
export interface MetadataDefinition {
  readonly versions: string[];
  protocol: (chosen: { version: number }) => (ask: MetadataRequest) => ProtocolPair;
}

interface MetadataRequest {
  readonly topics: readonly string[];
  readonly allowAutoTopicCreation?: boolean;
}

interface ProtocolPair {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  readonly response: {
    decode(raw: Buffer): Promise<Metadata>;
    parse(data: Metadata): Promise<Metadata>;
  };
}

const apiKey = 3;
const apiVersion = 10;
/** The newest that kafkajs has itself. */
const ownVersion = 6;

/** Makes kafkajs ask for metadata with topic ids wherever the broker knows them. */
export function teachTopicIds(definition: MetadataDefinition): void {
  const own = definition.protocol;
  definition.versions.push(String(apiVersion));
  definition.protocol = ({ version }) => {
    if (version < apiVersion) return own({ version: Math.min(version, ownVersion) });
    const { parse } = own({ version: ownVersion })({ topics: [] }).response;
    return (ask) => ({
      request: { apiKey, apiVersion, apiName: 'Metadata', encode: async () => encoded(request(ask)) },
      response: {
        decode: async (raw) => response(raw),
        // Asked for all topics, one without a leader must not hide the others.
        parse: ask.topics.length === 0 ? async (data) => data : parse,
      },
    });
  };
}

/** The id of a topic from what `admin.fetchTopicMetadata` says of its partitions; '' = the broker knows none. */
export function topicIdOf(partitions: readonly object[]): string {
  const first = partitions[0] as { readonly topicId?: string } | undefined;
  return first?.topicId ?? '';
}

/** What kafkajs takes for an encoder. */
function encoded(buffer: Buffer): object {
  return { buf: buffer, buffer };
}

/** Tagged fields, none: the header's before the body, and one after each structure. */
const noTags = Buffer.from([0]);
const noId = Buffer.alloc(16);

function request({ topics, allowAutoTopicCreation = true }: MetadataRequest): Buffer {
  const list = topics.flatMap((name) => [noId, compactString(name), noTags]);
  const count = topics.length === 0 ? unsigned(0) : unsigned(topics.length + 1);
  const flags = Buffer.from([allowAutoTopicCreation ? 1 : 0, 0, 0]);
  return Buffer.concat([noTags, count, ...list, flags, noTags]);
}

function compactString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([unsigned(bytes.length + 1), bytes]);
}

/** Unsigned LEB128. */
function unsigned(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

type Metadata = ReturnType<typeof response>;

function response(raw: Buffer) {
  const from = new Reader(raw);
  from.tags();
  return {
    throttleTime: 0,
    clientSideThrottleTime: from.int32(),
    brokers: from.array(() => {
      const broker = { nodeId: from.int32(), host: from.text(), port: from.int32(), rack: from.text() };
      from.tags();
      return broker;
    }),
    clusterId: from.text(),
    controllerId: from.int32(),
    topicMetadata: from.array(() => topicMetadata(from)),
  };
}

function topicMetadata(from: Reader) {
  const topicErrorCode = from.int16();
  const topic = from.text();
  const topicId = from.bytes(16).toString('hex');
  const isInternal = from.bytes(1)[0] === 1;
  // The only part of a topic that `admin.fetchTopicMetadata` hands on as it is: so each one carries the id.
  const partitionMetadata = from.array(() => ({ ...partition(from), topicId }));
  from.int32(); // authorized operations
  from.tags();
  return { topicErrorCode, topic, isInternal, partitionMetadata };
}

function partition(from: Reader) {
  const partitionErrorCode = from.int16();
  const partitionId = from.int32();
  const leader = from.int32();
  from.int32(); // leader epoch
  const nodes = () => from.array(() => from.int32());
  const found = {
    partitionErrorCode,
    partitionId,
    leader,
    replicas: nodes(),
    isr: nodes(),
    offlineReplicas: nodes(),
  };
  from.tags();
  return found;
}

/** Reads the types of the protocol's flexible versions, one after another. */
class Reader {
  readonly #raw: Buffer;
  #at = 0;

  constructor(raw: Buffer) {
    this.#raw = raw;
  }

  bytes(length: number): Buffer {
    this.#at += length;
    if (this.#at > this.#raw.length) throw new RangeError('the metadata ends in the middle');
    return this.#raw.subarray(this.#at - length, this.#at);
  }

  int16(): number {
    return this.bytes(2).readInt16BE();
  }

  int32(): number {
    return this.bytes(4).readInt32BE();
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes(1)[0] as number;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  }

  text(): string | null {
    const length = this.unsigned();
    return length === 0 ? null : this.bytes(length - 1).toString('utf8');
  }

  array<T>(read: () => T): T[] {
    const count = this.unsigned();
    return Array.from({ length: Math.max(0, count - 1) }, read);
  }

  tags(): void {
    for (let count = this.unsigned(); count > 0; count--) {
      this.unsigned();
      this.bytes(this.unsigned());
    }
  }
}
