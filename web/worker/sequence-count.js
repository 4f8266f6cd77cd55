// Counts the missing frames of a subscription by their sequence, and measures the interval between frames. Pure: `now` is an
// argument, in milliseconds.

import { staleAfter } from '../shared/age.js';

/** The first interval is unreliable: the relay sends the newest frame it holds immediately, and the next one when it is captured. */
const MAX_FIRST_INTERVAL = 400;
/** Weight of the latest interval in the running mean. */
const WEIGHT = 0.1;

export class SequenceCount {
  /** Frames that did not arrive. */
  missing = 0;
  /** Milliseconds between frames; 0 while unknown. */
  interval = 0;
  /** @type {bigint | null} */
  #last = null;
  #lastAt = 0;

  /** True if no frame has arrived since the last `restart`. */
  get isFresh() {
    return this.#last === null;
  }

  /** Another track numbers its frames independently: the jump is no gap. */
  restart() {
    this.#last = null;
  }

  /** @param {bigint} sequence @param {number} now */
  received(sequence, now) {
    const last = this.#last;
    if (last !== null && sequence > last) {
      this.missing += Number(sequence - last - 1n);
      this.#measure(now - this.#lastAt);
    }
    this.#last = sequence;
    this.#lastAt = now;
  }

  /** Updates the running mean. The cap keeps one long silence from looking like a slow camera. @param {number} interval */
  #measure(interval) {
    const known = this.interval;
    this.interval =
      known === 0
        ? Math.min(interval, MAX_FIRST_INTERVAL)
        : known * (1 - WEIGHT) + Math.min(interval, staleAfter(known)) * WEIGHT;
  }
}
