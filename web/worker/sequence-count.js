// Counts the frames of a subscription by their sequence: which are missing, and how far apart they come. Pure; `now` is
// passed in, in milliseconds.

import { staleAfter } from '../shared/age.js';

/** The first interval says little: the newest frame held received immediately, the next when it was made. */
const LONGEST_FIRST_INTERVAL = 400;
/** How much the latest interval counts in the running mean. */
const WEIGHT = 0.1;

export class SequenceCount {
  /** Frames that did not come. */
  missing = 0;
  /** Milliseconds between frames; 0 while unknown. */
  interval = 0;
  /** @type {bigint | null} */
  #last = null;
  #lastAt = 0;

  /** Whether no frame has come since the last `restart`. */
  get isFresh() {
    return this.#last === null;
  }

  /** Another track counts from elsewhere: what looks like a gap is none. */
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

  /** A running mean, of which one long silence must not make a slow camera. @param {number} interval */
  #measure(interval) {
    const known = this.interval;
    this.interval =
      known === 0
        ? Math.min(interval, LONGEST_FIRST_INTERVAL)
        : known * (1 - WEIGHT) + Math.min(interval, staleAfter(known)) * WEIGHT;
  }
}
