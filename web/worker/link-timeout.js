// Decides how long the relay may stay silent before the page drops the link, and how much smaller the next requests are.
// A frame that takes too long on a slow link looks like a silent one. A retry with the same request and timeout would fail
// in the same way. Pure: `now` is an argument, in milliseconds.

/** Timeout for the answer to a question while nothing is known about the link. */
const MIN_LIMIT = 5_000;
/** The longest timeout: a frame that takes longer than this is never received. */
const MAX_LIMIT = 30_000;
/** The timeout is this many times the longest wait on the same socket, because frames differ in size. */
const MARGIN = 3;
/** A frame of twice the width and height has about four times the bytes and takes four times as long. */
const GROWTH = 4;
/** Each side is halved up to this many times: 1/32 of a 4K screen is smaller than any usual rendition. */
const MAX_HALVINGS = 5;
/** Frames must arrive in time for this long before the page requests more. Each relapse doubles it, up to the maximum. */
const HOLD = 2_000;
const MAX_HOLD = 5 * 60_000;
/** A timeout this soon after the page requested more is a relapse. */
const RELAPSE = 5 * 60_000;
/** A timer that fires later than due by more than this shows that the machine was suspended. */
const SUSPENDED = 1_000;

export class LinkTimeout {
  /** Number of times that width and height of every request are halved. */
  halvings = 0;
  #base = MIN_LIMIT;
  /** The longest wait on this socket. */
  #longest = 0;
  /** The time at which the oldest unanswered question was sent. @type {number | null} */
  #since = null;
  /** Since when every wait on this socket was short. */
  #steadySince = 0;
  #hold = HOLD;
  #recoveredAt = -Infinity;

  /** Timeout for an answer, in milliseconds. */
  get limit() {
    return Math.min(MAX_LIMIT, Math.max(this.#base, MARGIN * this.#longest));
  }

  /** A socket opened. @param {number} now */
  opened(now) {
    this.#longest = 0;
    this.#since = null;
    this.#steadySince = now;
  }

  /** A question was sent. @param {number} now */
  requestSent(now) {
    this.#since ??= now;
  }

  /** A message was received. @param {number} now */
  messageReceived(now) {
    if (this.#since === null) return;
    const wait = now - this.#since;
    this.#since = null;
    this.#longest = Math.max(this.#longest, wait);
    if (wait * GROWTH > MIN_LIMIT) this.#steadySince = now;
  }

  /** Nothing was received within the timeout: the next socket waits longer and requests less. @param {number} now */
  timedOut(now) {
    const overdue = now - (this.#since ?? now) - this.limit;
    this.#since = null;
    if (overdue > SUSPENDED) return;
    this.#base = Math.min(MAX_LIMIT, 2 * this.limit);
    this.halvings = Math.min(MAX_HALVINGS, this.halvings + 1);
    this.#hold = now - this.#recoveredAt < RELAPSE ? Math.min(MAX_HOLD, 2 * this.#hold) : HOLD;
  }

  /**
   * Takes back one step after frames have arrived in time for long enough.
   * @param {number} now time at which a frame was received @returns {boolean} true if `halvings` changed
   */
  tryRecover(now) {
    if (this.#base === MIN_LIMIT && this.halvings === 0) return false;
    if (now - this.#steadySince < this.#hold) return false;
    this.#steadySince = this.#recoveredAt = now;
    this.#base = Math.max(MIN_LIMIT, this.#base / 2);
    if (this.halvings === 0) return false;
    this.halvings -= 1;
    return true;
  }
}
