// How long to wait before the next attempt: doubling, with jitter so that a hundred pages do not come back as one.

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

  /** The next wait in milliseconds: between three quarters and all of what is due. */
  next() {
    const due = this.#wait;
    this.#wait = Math.min(this.most, due * 2);
    return due * (0.75 + 0.25 * this.random());
  }

  /** Begins anew; called once things are seen to work. */
  reset() {
    this.#wait = this.first;
  }
}
