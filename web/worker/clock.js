// The relay's clock, seen from here: NTP's four timestamps, of which the exchange with the shortest round trip is
// believed. No IO and no clock of its own: timestamps come in as arguments, in microseconds.

/** @typedef {{ offset: number, rtt: number, at: number }} Sample offset: to add to our clock to get the relay's */

/** With a question every ten seconds: about a minute and a half, short enough for crystals to agree to a millisecond. */
const MOST_SAMPLES = 8;
/** How far two honest clocks may drift apart between samples. */
const DRIFT = 2_000;

export class RelayClock {
  /** @type {Sample[]} */
  #samples = [];

  /**
   * Takes one exchange in: asked at `t0`, answered between `t1` and `t2` by the relay's clock, back at `t3`.
   * @param {number} t0 @param {number} t1 @param {number} t2 @param {number} t3
   */
  add(t0, t1, t2, t3) {
    const rtt = t3 - t0 - (t2 - t1);
    if (!(rtt >= 0) || t2 < t1) return;
    const sample = { offset: (t1 - t0 + (t2 - t3)) / 2, rtt, at: t3 };
    // The true offset lies within half a round trip of every sample. Two that exclude each other mean that a clock
    // was set, or that this machine slept: what was measured before no longer counts.
    this.#samples = this.#samples.filter((older) => agree(older, sample));
    this.#samples.push(sample);
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
  }

  /** Microseconds to add to our clock to get the relay's; `null` before the first answer. */
  get offset() {
    return this.#best()?.offset ?? null;
  }

  /** The shortest round trip in microseconds; `null` before the first answer. */
  get rtt() {
    return this.#best()?.rtt ?? null;
  }

  /** Forgets everything: another relay may have another clock. */
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
