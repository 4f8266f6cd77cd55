// Rate per second over the last two seconds, in constant memory.

const BUCKET = 250;
const BUCKETS = 8;

export class Rate {
  #sums = new Array(BUCKETS).fill(0);
  #bucket = 0;
  /** @type {number | null} */
  #since = null;

  /** @param {number} amount @param {number} now milliseconds */
  add(amount, now) {
    this.#advance(now);
    this.#sums[this.#bucket % BUCKETS] += amount;
  }

  /** @param {number} now milliseconds */
  perSecond(now) {
    this.#advance(now);
    if (this.#since === null) return 0;
    // The current bucket counts for the time it has been open, and a new rate for the time since it started.
    const open = now - this.#bucket * BUCKET;
    const span = Math.min(now - this.#since, (BUCKETS - 1) * BUCKET + open);
    const sum = this.#sums.reduce((total, value) => total + value, 0);
    return span >= BUCKET ? (sum * 1000) / span : 0;
  }

  /** @param {number} now */
  #advance(now) {
    const bucket = Math.floor(now / BUCKET);
    if (this.#since === null) {
      this.#since = now;
      this.#bucket = bucket;
    }
    const steps = Math.min(BUCKETS, bucket - this.#bucket);
    for (let step = 1; step <= steps; step += 1) this.#sums[(this.#bucket + step) % BUCKETS] = 0;
    if (steps > 0) {
      // After a pause longer than all buckets all of them are void.
      if (bucket - this.#bucket > BUCKETS) this.#sums.fill(0);
      this.#bucket = bucket;
    }
  }
}
