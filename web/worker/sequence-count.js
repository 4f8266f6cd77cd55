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
  /** The running mean of the time between frames; 0 while unknown. */
  #mean = 0;
  /** The last two gaps between frames of the source, the newest last. */
  #gaps = [0, 0];
  /** @type {bigint | null} */
  #last = null;
  #lastAt = 0;

  /**
   * Milliseconds between frames; 0 while unknown. The mean takes one long gap for an outage. Two in a row are a slow camera.
   */
  get interval() {
    return Math.max(this.#mean, Math.min(...this.#gaps));
  }

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
      // A slow link leaves frames out, which says nothing about the camera.
      this.#gaps = [this.#gaps[1] ?? 0, (now - this.#lastAt) / Number(sequence - last)];
    }
    this.#last = sequence;
    this.#lastAt = now;
  }

  /** Updates the running mean. The cap keeps one long silence from looking like a slow camera. @param {number} interval */
  #measure(interval) {
    const known = this.#mean;
    this.#mean =
      known === 0
        ? Math.min(interval, MAX_FIRST_INTERVAL)
        : known * (1 - WEIGHT) + Math.min(interval, staleAfter(known)) * WEIGHT;
  }
}
