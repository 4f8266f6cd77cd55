// Estimates the relay's clock from NTP's four timestamps: the exchange with the shortest round trip wins. No IO and no clock:
// timestamps are arguments, in microseconds.

/** @typedef {{ offset: number, rtt: number, at: number }} Sample offset: to add to our clock to get the relay's */

/** One exchange every ten seconds: about a minute and a half, in which quartz clocks drift by a millisecond at most. */
const MAX_SAMPLES = 8;
/** Two correct clocks drift apart by at most this much between samples. */
const DRIFT = 2_000;

export class RelayClock {
  /** @type {Sample[]} */
  #samples = [];

  /**
   * Adds an exchange: asked at `t0`, answered between `t1` and `t2` of the relay's clock, received at `t3`.
   * @param {number} t0 @param {number} t1 @param {number} t2 @param {number} t3
   */
  add(t0, t1, t2, t3) {
    const rtt = t3 - t0 - (t2 - t1);
    if (!(rtt >= 0) || t2 < t1) return;
    const sample = { offset: (t1 - t0 + (t2 - t3)) / 2, rtt, at: t3 };
    // The true offset is within half a round trip of every sample. Two samples that exclude each other mean that a clock was
    // set, or that this machine slept: the older sample no longer counts.
    this.#samples = this.#samples.filter((older) => agree(older, sample));
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** Relay's clock minus ours, in microseconds; `null` before the first answer. */
  get offset() {
    return this.#best()?.offset ?? null;
  }

  /** The shortest round trip, in microseconds; `null` before the first answer. */
  get rtt() {
    return this.#best()?.rtt ?? null;
  }

  /** Forgets all samples: another relay may have another clock. */
  reset() {
    this.#samples = [];
  }

  #best() {
    /** @type {Sample | null} */
    let best = null;
    for (const sample of this.#samples) {
      if (!best || sample.rtt <= best.rtt) best = sample;
    }
    return best;
  }
}

/** @param {Sample} a @param {Sample} b */
function agree(a, b) {
  return Math.abs(a.offset - b.offset) <= (a.rtt + b.rtt) / 2 + DRIFT;
}
