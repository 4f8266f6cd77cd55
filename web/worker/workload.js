// The share of time in which the decoder worked. No clock: `now` is an argument, in milliseconds.

import { Rate } from './rate.js';

export class Workload {
  /** Milliseconds with work in flight. */
  #busy = new Rate();
  #running = 0;
  #countedUntil = 0;

  /** @param {number} now */
  begin(now) {
    this.#count(now);
    this.#running += 1;
  }

  /** @param {number} now */
  end(now) {
    this.#count(now);
    this.#running -= 1;
  }

  /** Returns 0 to 1, over the last two seconds. @param {number} now */
  share(now) {
    this.#count(now);
    return Math.min(1, this.#busy.perSecond(now) / 1000);
  }

  /** @param {number} now */
  #count(now) {
    this.#busy.add(this.#running > 0 ? now - this.#countedUntil : 0, now);
    this.#countedUntil = now;
  }
}
