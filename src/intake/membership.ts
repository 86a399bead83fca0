/** One instance of several that share partitions and a store (docs/kafka.md, "Several instances"). */
export interface Membership {
  /**
   * The group gave this instance these partitions, and perhaps the control partition; whatever it had before is
   * gone. Said at every change, and with nothing when the session ends.
   */
  joined(assigned: readonly Assigned[], isControl: boolean, group: Group): void;
  /** Resolves when the partitions are claimed: before, nothing of them may be stored. Rejects to be asked again. */
  claimed(): Promise<void>;
  /** Somebody's claim came between, and the group says that the partitions are ours all the same: claim them again. */
  reclaim(): void;
  /** Records of the control topic, in order; only while its partition is ours. Rejects to be given them again. */
  receive(values: readonly Buffer[]): Promise<void>;
  /** Everything that was read is stored, and the group is about to be left. */
  leaving(): Promise<void>;
}

export interface Assigned {
  readonly topic: string;
  readonly partition: number;
}

/** What a member can do while the session lasts. */
export interface Group {
  /** Appends to the control topic; the record's offset. */
  append(value: Buffer): Promise<bigint>;
  /** Our own id in the group; '' when the session has ended. */
  readonly memberId: string;
  /** Ids of all members now, as the broker says. */
  members(): Promise<readonly string[]>;
  /** High watermarks of the topics that are read. */
  highs(): Promise<readonly (Assigned & { readonly high: bigint })[]>;
}

/** Where instances of Keywitness agree with each other: never evidence, whatever a pattern says. */
export const controlTopic = 'keywitness.control';
