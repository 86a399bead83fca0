/** `keywitness.yaml` as written, after the schema said yes: schemas/config.schema.json has the meaning of each. */
export interface ConfigDocument {
  readonly data?: string;
  readonly anchor?: string;
  readonly anchors?: { readonly witness?: readonly { readonly url: string; readonly key: string }[] };
  readonly catalog?: string;
  readonly rules?: readonly string[];
  readonly cluster?: string;
  readonly listen?: string | ListenDocument;
  readonly kafka?: {
    readonly brokers: readonly string[];
    readonly groupId?: string;
    readonly topics: readonly TopicDocument[];
    readonly ssl?: boolean | { readonly ca?: string };
    readonly sasl?: {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      readonly username: string;
      readonly password: string;
    };
  };
  readonly store?: {
    readonly url: string;
    readonly user?: string;
    readonly password?: string;
  };
  readonly retention?: { readonly keep?: string };
  readonly http?: {
    readonly listen: string;
    readonly tls?: TlsDocument;
    readonly insecure?: boolean;
    readonly streams: readonly (StreamDocument & { readonly tokens: readonly string[] })[];
  };
  readonly notify?: {
    readonly slack?: { readonly token: string; readonly channel: string; readonly apiUrl?: string };
    readonly email?: {
      readonly smtp: string;
      readonly insecure?: boolean;
      readonly from: string;
      readonly to: string | readonly string[];
    };
  };
}

interface TlsDocument {
  readonly cert: string;
  readonly key: string;
}

export interface ListenDocument {
  readonly address: string;
  readonly tls?: TlsDocument;
  readonly insecure?: boolean;
}

/** Either `name` or `pattern`. */
export type TopicDocument = ReadingDocument & { readonly name?: string; readonly pattern?: string };

export interface StreamDocument extends ReadingDocument {
  readonly name: string;
}

/** How the bytes of a stream are read. */
export interface ReadingDocument {
  readonly source?: string;
  readonly store?: string;
  readonly cluster?: string;
  readonly host?: string;
  readonly zone?: string;
  readonly kv2?: readonly string[];
}
