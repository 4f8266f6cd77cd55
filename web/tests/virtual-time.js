// A clock and timers in virtual time, which passes only when a test lets it.

const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));

export class VirtualTime {
  /** @type {{ at: number, act: () => void }[]} */
  #timers = [];
  #now = 1_700_000_000_000;

  now = () => this.#now;

  /** @param {number} time in milliseconds @param {() => void} act @returns {() => void} calls it off */
  after = (time, act) => {
    const timer = { at: this.#now + Math.max(0, time), act };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  };

  /** Number of pending timers. */
  get pending() {
    return this.#timers.length;
  }

  /** Runs all timers that are due within this time, in order. @param {number} time in milliseconds */
  async pass(time) {
    const to = this.#now + time;
    for (;;) {
      await settle();
      const next = this.#timers.filter(({ at }) => at <= to).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.act();
    }
    this.#now = to;
    await settle();
  }

  /** Suspends the machine: the clock continues, and timers fire late. @param {number} time in milliseconds */
  suspend(time) {
    this.#now += time;
  }
}
