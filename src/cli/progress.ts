/** A progress bar with rate and time left on a terminal; nothing when stderr is not one. */
export interface Progress {
  /** `done` of `total` in one unit (bytes); `events` so far for the rate. */
  update(done: number, total: number, events: number): void;
  end(): void;
}

const barWidth = 28;
/** Redrawn at most ten times a second: faster is not seen, and costs. */
const redrawMs = 100;

export function progressBar(label: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { update: () => {}, end: () => {} };
  const startedAt = performance.now();
  let drawnAt = 0;
  return {
    update(done, total, events) {
      const now = performance.now();
      if (now - drawnAt < redrawMs && done < total) return;
      drawnAt = now;
      const share = total > 0 ? Math.min(1, done / total) : 0;
      const seconds = (now - startedAt) / 1000;
      const rate = Math.round(events / Math.max(seconds, 0.001));
      const left = share > 0.02 ? `${Math.ceil((seconds / share) * (1 - share))} s left` : '';
      const filled = Math.round(share * barWidth);
      const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
      stream.write(
        `\r\u001b[2K${label}  ${bar} ${Math.round(share * 100)} %  ${rate.toLocaleString('en')} events/s  ${left}`,
      );
    },
    end() {
      stream.write('\r\u001b[2K');
    },
  };
}
