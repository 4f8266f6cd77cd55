// Evidence for the cause of a slow tile: the network delay of frames, and the lag of the worker's event loop.
// No clock: `now` is an argument. All times are milliseconds.

/** Older measurements say nothing about the present. It is also how long the relay looks before it calls a viewer slow. */
const WINDOW = 2_000;
/** Bounds the memory. On a wall of twelve tiles at 30 frames a second it covers a third of a second, which is enough. */
const MAX_SAMPLES = 128;
/** Fewer frames than this within the window prove nothing. */
const MIN_SAMPLES = 5;
/** A stall of the browser delays some consecutive frames. A narrow link delays every frame: three quarters at least. */
const SHARE_EXCEEDED = 0.75;

/** The delay of frames on the network. */
export class NetworkDelay {
  /** @type {{ at: number, delay: number }[]} */
  #samples = [];

  /** @param {number} delay beyond the shortest way @param {number} now */
  add(delay, now) {
    this.#samples.push({ at: now, delay });
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Returns the delay that three quarters of the recent frames reach; `null` if there were too few. @param {number} now */
  usual(now) {
    this.#samples = this.#samples.filter(({ at }) => now - at <= WINDOW);
    if (this.#samples.length < MIN_SAMPLES) return null;
    const sorted = this.#samples.map(({ delay }) => delay).sort((a, b) => b - a);
    return sorted[Math.ceil(SHARE_EXCEEDED * sorted.length) - 1] ?? null;
  }

  /** Forgets all samples: another socket may take another path. */
  reset() {
    this.#samples = [];
  }
}

/** The lag of the event loop: the delay of a timer with a fixed interval. */
export class LoopLag {
  /** @type {{ at: number, lag: number }[]} */
  #ticks = [];
  /** @type {number | null} */
  #last = null;

  /** @param {number} interval of the timer */
  constructor(interval) {
    this.interval = interval;
  }

  /** The timer ran. @param {number} now */
  tick(now) {
    const lag = this.#last === null ? 0 : Math.max(0, now - this.#last - this.interval);
    this.#last = now;
    this.#ticks = [...this.#ticks.filter(({ at }) => now - at <= WINDOW), { at: now, lag }];
  }

  /** Returns the longest recent lag, including a timer that is overdue. @param {number} now */
  longest(now) {
    const overdue = this.#last === null ? 0 : now - this.#last - this.interval;
    const recent = this.#ticks.filter(({ at }) => now - at <= WINDOW).map(({ lag }) => lag);
    return Math.max(0, overdue, ...recent);
  }
}
