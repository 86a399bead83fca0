/** Adds 256-bit hashes mod 2^256, as the engine's `sum(reinterpretAsUInt256(…))` does: little-endian. */
export class RowSum {
  /** 32 bits each; exact as long as fewer than 2^21 were added since `carry`. */
  readonly #lanes = new Float64Array(8);
  #added = 0;

  add(hash: Buffer): void {
    const lanes = this.#lanes;
    for (let i = 0; i < 8; i += 1) lanes[i] = (lanes[i] as number) + hash.readUInt32LE(i * 4);
    this.#added += 1;
    if (this.#added >= 1 << 20) this.#carry();
  }

  value(): bigint {
    this.#carry();
    let value = 0n;
    for (let i = 7; i >= 0; i -= 1) value = (value << 32n) | BigInt(this.#lanes[i] as number);
    return value;
  }

  #carry(): void {
    const lanes = this.#lanes;
    let carry = 0;
    for (let i = 0; i < 8; i += 1) {
      const lane = (lanes[i] as number) + carry;
      carry = Math.floor(lane / 0x1_0000_0000);
      lanes[i] = lane - carry * 0x1_0000_0000;
    }
    this.#added = 0;
  }
}
