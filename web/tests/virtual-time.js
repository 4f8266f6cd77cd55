// A clock and timers under the test's control: time passes only when a test says so.

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

  /** How many timers are pending. */
  get pending() {
    return this.#timers.length;
  }

  /** Runs everything that is due within this time, in order. @param {number} time in milliseconds */
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

  /** The machine is suspended: the clock runs on, and every timer that was due fires late. @param {number} time in milliseconds */
  suspend(time) {
    this.#now += time;
  }
}
