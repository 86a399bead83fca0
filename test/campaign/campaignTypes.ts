/** What every module of test/campaign that attacks something exports; campaign.ts runs them one after another. */
export interface CampaignOptions {
  /** Cases of each class. */
  readonly seeds: number;
  /** Where the random numbers begin: the same seed attacks the same way. */
  readonly seed: number;
  readonly say: (line: string) => void;
}

interface CampaignCounts {
  /** Attacks that were made. */
  readonly cases: number;
  /** Of them, those that ended with a verdict against what was attacked. */
  readonly detected: number;
  /** Of them, those whose place was named exactly. */
  readonly located: number;
  /** Verdicts against what nobody had attacked. */
  readonly falseAlarms: number;
}

export interface Campaign {
  readonly name: string;
  run(options: CampaignOptions): Promise<CampaignCounts>;
}
