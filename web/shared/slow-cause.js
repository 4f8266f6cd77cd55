// Decides what keeps a tile from its full frame rate or resolution: the connection, this device, or neither for sure.
// Pure; `now` is passed in. All times are milliseconds.

/** `unknown`: neither the network nor the decoder shows it. @typedef {'link' | 'device' | 'unknown'} SlowCause */
/**
 * What the worker measures for all tiles together. `network`: what three quarters of the recent frames took on the
 * network beyond the shortest way; `null` while unknown. `lag`: the longest recent delay of the worker's own event loop.
 * @typedef {{ network: number | null, lag: number }} Evidence
 */

/** Evidence older than this says nothing about now. It is also how long the relay looks before it calls a viewer slow. */
const WINDOW = 2_000;
/** Bounds the memory. A wall of twelve tiles at 30 frames a second has a third of a second in it, which is enough. */
const MOST_SAMPLES = 128;
/** Fewer frames than this within the window prove nothing. */
const FEWEST_SAMPLES = 5;
/** A stall of the browser delays some frames in a row. A narrow link delays every frame: three quarters at least. */
const SHARE_EXCEEDED = 0.75;
/** Below this, Wi-Fi jitter and the sending of a large frame explain the delay. */
const SLOW_NETWORK = 40;
/** The event loop notes arrivals late. Its lag may explain no more than this share of the delay on the network. */
const LAG_SHARE = 0.5;
/** A decoder that works for more than this share of the time does not keep up. */
const STRAINED = 0.8;

/** The delay of frames on the network. */
export class NetworkDelay {
  /** @type {{ at: number, delay: number }[]} */
  #samples = [];

  /** @param {number} delay beyond the shortest way @param {number} now */
  add(delay, now) {
    this.#samples.push({ at: now, delay });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
  }

  /** Returns the delay that three quarters of the recent frames exceed; `null` if too few came. @param {number} now */
  usual(now) {
    this.#samples = this.#samples.filter(({ at }) => now - at <= WINDOW);
    if (this.#samples.length < FEWEST_SAMPLES) return null;
    const sorted = this.#samples.map(({ delay }) => delay).sort((a, b) => b - a);
    return sorted[Math.ceil(SHARE_EXCEEDED * sorted.length) - 1] ?? null;
  }

  /** Forgets everything: another socket may take another way. */
  reset() {
    this.#samples = [];
  }
}

/** How late the event loop runs a timer that is due at a fixed interval. */
export class LoopLag {
  /** @type {{ at: number, lag: number }[]} */
  #ticks = [];
  /** @type {number | null} */
  #last = null;

  /** @param {number} interval of the timer */
  constructor(interval) {
    this.interval = interval;
  }

  /** The timer has run. @param {number} now */
  tick(now) {
    const lag = this.#last === null ? 0 : Math.max(0, now - this.#last - this.interval);
    this.#last = now;
    this.#ticks = [...this.#ticks.filter(({ at }) => now - at <= WINDOW), { at: now, lag }];
  }

  /** Returns the longest recent lag, the time since the timer should have run included. @param {number} now */
  longest(now) {
    const overdue = this.#last === null ? 0 : now - this.#last - this.interval;
    const recent = this.#ticks.filter(({ at }) => now - at <= WINDOW).map(({ lag }) => lag);
    return Math.max(0, overdue, ...recent);
  }
}

/**
 * Returns what slows a tile down.
 * @param {number} busy the share of time in which its decoder works @param {Evidence} evidence @returns {SlowCause}
 */
export function causeOf(busy, { network, lag }) {
  if (busy > STRAINED) return 'device';
  const slow = network !== null && network > SLOW_NETWORK && lag < LAG_SHARE * network;
  return slow ? 'link' : 'unknown';
}

/** Returns the culprit of a whole wall: one that is known before one that is not. @param {readonly (SlowCause | null)[]} culprits */
export function mainCause(culprits) {
  /** @type {readonly SlowCause[]} */
  const order = ['link', 'device', 'unknown'];
  return order.find((culprit) => culprits.includes(culprit)) ?? null;
}

/**
 * Returns what to blame from now on: the first known culprit stays for as long as the trouble lasts.
 * @param {SlowCause | null} before @param {SlowCause | null} now
 */
export function moreCertain(before, now) {
  return before === null || before === 'unknown' ? (now ?? before) : before;
}
