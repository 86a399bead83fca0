import type { Clock } from '../core/clock.ts';
import { KeywitnessError } from '../core/errors.ts';
import { backoffMs } from '../intake/backoff.ts';
import * as events from '../telemetry/serviceEvents.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { ControlMessage } from './controlMessage.ts';
import type { Duty } from './duty.ts';
import type { Seat } from './seat.ts';

export interface ControlOptions {
  readonly seat: Pick<Seat, 'claimControl' | 'group'>;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly open: (onFenced: (error: KeywitnessError) => void) => Promise<Duty>;
  /** What a restart of the process may cure, or a person must look at. */
  readonly onFailure: (error: unknown) => void;
}

/** Whether this instance keeps the log: the duties begin when the control partition is ours and end when it is not. */
export interface Control {
  take(): void;
  lose(): void;
  /** Waits until the duties have begun. @throws when they end before */
  receive(messages: readonly ControlMessage[]): Promise<void>;
  /** The orderly end, while we are still a member. */
  end(): Promise<void>;
  /** Lets go without a word. */
  drop(): Promise<void>;
}

/** Instances that are told to end together do so within this time: the last one then says that it was the last. */
const othersEndMs = 4_000;
/** How long the last one waits for the log to become its own. */
const openMs = 6_000;
const pauseMs = 200;
/** What cannot get better by trying again. */
const hopeless: readonly string[] = ['KW_LEDGER_BROKEN', 'KW_KEY', 'KW_INPUT', 'KW_CATALOG', 'KW_RULES'];

export function createControl({ seat, telemetry, clock, open, onFailure }: ControlOptions): Control {
  /** Aborted when the partition is no longer ours; undefined = it is not. */
  let held: AbortController | undefined;
  let duty: Promise<Duty | undefined> = Promise.resolve(undefined);
  let isDropped = false;

  /** Claims and opens until it works or is no longer asked for. */
  const begin = async (mine: AbortController): Promise<Duty | undefined> => {
    for (let attempt = 0; !mine.signal.aborted; attempt++) {
      try {
        // Whoever was away may not know yet that the group went on without it: its claim would stand above the right one.
        if (!(await isMember())) throw new Error('not a member of the group now');
        await seat.claimControl();
        const opened = await open((error) => fenced(mine, error));
        events.controlTaken(telemetry);
        return opened;
      } catch (error) {
        if (mine.signal.aborted) return undefined;
        if (error instanceof KeywitnessError && hopeless.includes(error.code)) {
          onFailure(error);
          return undefined;
        }
        if (attempt === 0) events.controlDelayed(telemetry, error);
        await clock.sleep(backoffMs(attempt), mine.signal);
      }
    }
    return undefined;
  };
  const isMember = async () => {
    const { memberId, members } = seat.group();
    return (await members()).includes(memberId);
  };
  /** How many members there are besides us; none when nobody says, or when we are none any more. */
  const others = async () => {
    try {
      const { memberId, members } = seat.group();
      return memberId === '' ? 0 : (await members()).filter((id) => id !== memberId).length;
    } catch {
      return 0;
    }
  };
  /** The duties, if they are ours: the last instance waits until the group has given them to it, and ends the log. */
  const openInTime = async (until: number): Promise<Duty | undefined> => {
    while (clock.now() < until) {
      if (held === undefined && (await others()) > 0) return undefined;
      const open = await Promise.race([duty, clock.sleep(pauseMs).then(() => undefined)]);
      if (held !== undefined && open !== undefined) return open;
      await clock.sleep(pauseMs);
    }
    return undefined;
  };
  const letGo = async (before: Promise<Duty | undefined>, error?: unknown): Promise<undefined> => {
    const open = await before;
    if (open === undefined) return undefined;
    events.controlLost(telemetry, error);
    await open.drop();
    return undefined;
  };
  const fenced = (mine: AbortController, error: KeywitnessError) => {
    if (mine !== held || mine.signal.aborted) return;
    mine.abort();
    const again = new AbortController();
    held = again;
    // The group decides whether it is still ours; if it is, everything begins anew with a claim of its own.
    duty = letGo(duty, error).then(() => begin(again));
    duty.catch(onFailure);
  };

  return {
    take() {
      // Still ours after a rebalance. If somebody had it in between, the next heartbeat is refused and says so.
      if (held !== undefined) return;
      const mine = new AbortController();
      held = mine;
      duty = duty.then(() => begin(mine));
      duty.catch(onFailure);
    },
    lose() {
      held?.abort();
      held = undefined;
      duty = letGo(duty);
      duty.catch(onFailure);
    },
    async receive(messages) {
      const open = await duty;
      if (open === undefined)
        throw new KeywitnessError('KW_FENCED', 'The control partition is no longer ours.');
      await open.receive(messages);
    },
    async end() {
      if (isDropped) return;
      const open = await openInTime(clock.now() + openMs);
      if (open === undefined) return this.drop();
      const until = clock.now() + othersEndMs;
      while ((await others()) > 0 && clock.now() < until) await clock.sleep(pauseMs);
      held?.abort();
      held = undefined;
      duty = Promise.resolve(undefined);
      await open.end((await others()) === 0);
    },
    async drop() {
      isDropped = true;
      held?.abort();
      held = undefined;
      duty = letGo(duty);
      await duty;
    },
  };
}
