/**
 * One priority level: so many requests at a time, the others wait in queues that flows share by shuffle sharding, served in turn. A level may borrow what others leave
 * idle, as far as both sides allow; here it is decided at each request, upstream adjusts every ten seconds.
 * Source: apiserver/pkg/util/flowcontrol (fairqueuing/queueset, conc_alloc).
 */
import { createHash } from 'node:crypto';
import type { PriorityLevelConfiguration } from '../../api/types/flowcontrol-v1.ts';
import type { Clock, Timer } from '../../base/clock.ts';

export interface LevelSettings {
  readonly exempt: boolean;
  /** Of the server's seats, the share that is this level's by right. */
  readonly shares: number;
  readonly lendablePercent: number;
  /** Undefined: without limit. */
  readonly borrowingLimitPercent: number | undefined;
  /** Undefined: who finds no seat is refused. */
  readonly queuing: { readonly queues: number; readonly handSize: number; readonly lengthMax: number } | undefined;
}

export function levelSettings({ spec }: PriorityLevelConfiguration): LevelSettings {
  if (spec?.type === 'Exempt')
    return {
      exempt: true,
      shares: spec.exempt?.nominalConcurrencyShares ?? 0,
      lendablePercent: spec.exempt?.lendablePercent ?? 0,
      borrowingLimitPercent: undefined,
      queuing: undefined,
    };
  const limited = spec?.limited ?? {};
  const { limitResponse } = limited;
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = limitResponse?.queuing ?? {};
  return {
    exempt: false,
    shares: limited.nominalConcurrencyShares ?? 30,
    lendablePercent: limited.lendablePercent ?? 0,
    borrowingLimitPercent: limited.borrowingLimitPercent,
    queuing: limitResponse?.type === 'Queue' ? { queues, handSize, lengthMax: queueLengthLimit } : undefined,
  };
}

export type Refusal = 'concurrency-limit' | 'queue-full' | 'time-out' | 'cancelled';

/** A request's seat. */
export type Seating = 'seated' | Refusal;

interface Waiter {
  settle(seating: Seating): void;
  settled: boolean;
}

export class PriorityLevel {
  readonly name: string;
  uid: string;
  settings: LevelSettings;
  /** Seats that are this level's by right. */
  nominal = 0;
  executing = 0;
  waiting = 0;
  /** Asks whether others leave a seat to borrow. */
  readonly #mayBorrow: (level: PriorityLevel) => boolean;
  readonly #clock: Clock;
  #queues: Waiter[][] = [];
  #next = 0;

  constructor(
    name: string,
    uid: string,
    settings: LevelSettings,
    clock: Clock,
    mayBorrow: (level: PriorityLevel) => boolean,
  ) {
    this.name = name;
    this.uid = uid;
    this.settings = settings;
    this.#clock = clock;
    this.#mayBorrow = mayBorrow;
  }

  /** What others never get. */
  get kept(): number {
    return this.nominal - Math.round((this.nominal * this.settings.lendablePercent) / 100);
  }

  /** What must be left to this level even while it is idle. */
  get guaranteed(): number {
    return Math.max(this.executing, this.kept);
  }

  get limitMax(): number {
    const { borrowingLimitPercent } = this.settings;
    if (borrowingLimitPercent === undefined) return Number.POSITIVE_INFINITY;
    return this.nominal + Math.round((this.nominal * borrowingLimitPercent) / 100);
  }

  /** Synchronous while there is a seat. A seat must be given back by `leave`. */
  enter(flow: () => string, waitMs: number, signal: () => AbortSignal): Seating | Promise<Seating> {
    if (this.settings.exempt || (this.waiting === 0 && this.#hasSeat())) {
      this.executing++;
      return 'seated';
    }
    const { queuing } = this.settings;
    if (!queuing) return 'concurrency-limit';
    const queue = this.#shortest(flow(), queuing);
    if (queue.length >= queuing.lengthMax) return 'queue-full';
    return this.#wait(queue, waitMs, signal());
  }

  leave(): void {
    this.executing--;
    this.dispatch();
  }

  /** Seats who waits, queue by queue. */
  dispatch(): void {
    while (this.waiting > 0 && (this.settings.exempt || this.#hasSeat())) {
      const waiter = this.#take();
      if (!waiter) return;
      this.executing++;
      waiter.settle('seated');
    }
  }

  #hasSeat(): boolean {
    if (this.executing < this.nominal) return true;
    return this.executing < this.limitMax && this.#mayBorrow(this);
  }

  #take(): Waiter | undefined {
    for (let i = 0; i < this.#queues.length; i++) {
      const queue = this.#queues[(this.#next + i) % this.#queues.length]!;
      const waiter = queue.shift();
      if (!waiter) continue;
      this.#next = (this.#next + i + 1) % this.#queues.length;
      return waiter;
    }
    return undefined;
  }

  #shortest(flow: string, { queues, handSize }: { readonly queues: number; readonly handSize: number }): Waiter[] {
    while (this.#queues.length < queues) this.#queues.push([]);
    let best: Waiter[] | undefined;
    for (const card of dealt(flow, queues, handSize)) {
      const queue = this.#queues[card]!;
      if (!best || queue.length < best.length) best = queue;
    }
    return best!;
  }

  #wait(queue: Waiter[], waitMs: number, signal: AbortSignal): Promise<Seating> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const waiter: Waiter = {
        settled: false,
        settle: (seating) => {
          if (waiter.settled) return;
          waiter.settled = true;
          timer?.cancel();
          signal.removeEventListener('abort', leave);
          this.waiting--;
          const at = queue.indexOf(waiter);
          if (at >= 0) queue.splice(at, 1);
          resolve(seating);
        },
      };
      const leave = (): void => waiter.settle('cancelled');
      queue.push(waiter);
      this.waiting++;
      timer = this.#clock.timer(waitMs, () => waiter.settle('time-out'));
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }
}

/** `handSize` different queues, drawn from the flow's hash: flows that share one queue seldom share them all. */
function dealt(flow: string, queues: number, handSize: number): readonly number[] {
  const hand: number[] = [];
  let hash = createHash('sha256').update(flow).digest().readBigUInt64BE();
  for (let left = queues; hand.length < Math.min(handSize, queues); left--) {
    let card = Number(hash % BigInt(left));
    hash /= BigInt(left);
    for (const taken of [...hand].sort((a, b) => a - b)) if (card >= taken) card++;
    hand.push(card);
  }
  return hand;
}
