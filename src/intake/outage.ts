/** Whether something outside is away, and since when: told once when it goes and once when it is back. */
export class Outage {
  #since = 0;

  get isOpen(): boolean {
    return this.#since > 0;
  }

  /** True the first time, until it ended. */
  begin(nowMs: number): boolean {
    if (this.#since > 0) return false;
    this.#since = nowMs;
    return true;
  }

  /** How long it lasted; undefined when there was none. */
  end(nowMs: number): number | undefined {
    if (this.#since === 0) return undefined;
    const lasted = nowMs - this.#since;
    this.#since = 0;
    return lasted;
  }
}
