// How long the relay may stay silent before the page gives up the link, and how much less the page asks for after that.
// One frame that takes too long on a slow link looks like a dead link. A retry that asks for the same frame and waits
// as long as before would fail in the same way again and again. Pure: `now` is passed in, in milliseconds.

/** A link that leaves a question unanswered for this time is given up, as long as nothing is known about the link. */
const MIN_LIMIT = 5_000;
/** The longest limit: a frame that takes longer than this is never received. */
const MAX_LIMIT = 30_000;
/** The limit is this many times the longest wait on the same socket, because frames differ in size. */
const MARGIN = 3;
/** A picture of twice the width and height has about four times the bytes, and takes four times as long. */
const GROWTH = 4;
/** Each side is halved up to this many times: 1/32 of a 4K screen is smaller than any usual rendition. */
const MAX_HALVINGS = 5;
/** Frames have to arrive in time for this long before the page asks for more; doubled with each relapse. */
const HOLD = 2_000;
const MAX_HOLD = 5 * 60_000;
/** A failure this soon after the page asked for more is a relapse. */
const RELAPSE = 5 * 60_000;
/** A timer that fires later than due by more than this shows that the machine was suspended. */
const SUSPENDED = 1_000;

export class LinkTimeout {
  /** How often width and height of every request are halved. */
  halvings = 0;
  #base = MIN_LIMIT;
  /** The longest wait on this socket. */
  #longest = 0;
  /** When the oldest question was asked that no message followed yet. @type {number | null} */
  #since = null;
  /** Since when every wait on this socket was short. */
  #steadySince = 0;
  #hold = HOLD;
  #recoveredAt = -Infinity;

  /** How long an answer may take, in milliseconds. */
  get limit() {
    return Math.min(MAX_LIMIT, Math.max(this.#base, MARGIN * this.#longest));
  }

  /** A socket was opened. @param {number} now */
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

  /** Nothing was received within the limit: the next socket waits longer and asks for less. @param {number} now */
  timedOut(now) {
    const overdue = now - (this.#since ?? now) - this.limit;
    this.#since = null;
    if (overdue > SUSPENDED) return;
    this.#base = Math.min(MAX_LIMIT, 2 * this.limit);
    this.halvings = Math.min(MAX_HALVINGS, this.halvings + 1);
    this.#hold = now - this.#recoveredAt < RELAPSE ? Math.min(MAX_HOLD, 2 * this.#hold) : HOLD;
  }

  /**
   * Takes one step back once frames have arrived in time for long enough.
   * @param {number} now when a frame was received @returns {boolean} whether `halvings` changed
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
