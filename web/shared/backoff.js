// Exponential backoff with jitter, so that a hundred pages do not reconnect at the same moment.

export class Backoff {
  #wait;

  /**
   * @param {{ first?: number, most?: number, random?: () => number }} [options] times in milliseconds
   */
  constructor({ first = 250, most = 5000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.random = random;
    this.#wait = first;
  }

  /** Returns the next wait in milliseconds: three quarters to all of the current interval. */
  next() {
    const due = this.#wait;
    this.#wait = Math.min(this.most, due * 2);
    return due * (0.75 + 0.25 * this.random());
  }

  /** Starts with the first interval again. Called after a success. */
  reset() {
    this.#wait = this.first;
  }
}
