// A keyframe and the deltas that came after it, encoded: what has to be decoded to see one of them. Pure.

/** @typedef {import('./arrivals.js').Arrival} Arrival */

/**
 * The bounds of one that nobody else bounds. Whoever sends no keyframe for longer is watched live all the same; only
 * what a decoder has not seen yet cannot be caught up with.
 */
const MAX_FRAMES = 3600;
const MAX_BYTES = 32 * 2 ** 20;

export class Gop {
  /** Whether a decoder failed at it. Another one would fail as well. */
  failed = false;
  /** @type {Arrival[]} */
  #frames = [];
  #bytes = 0;
  /** How many came. */
  length = 0;
  /** @type {Arrival['frame'] | null} */
  #last = null;

  /**
   * Whether this frame is the one that comes next. Another track begins with a keyframe; the number of its rendition says
   * nothing, since a list of renditions may change while a track goes on.
   * @param {Arrival['frame']} frame
   */
  isFollowedBy({ sequence, keyframe }) {
    return !keyframe && this.#last?.sequence === sequence - 1n;
  }

  /** This frame holds no picture, and what comes next needs none of it. @param {Arrival['frame']} frame */
  skip(frame) {
    this.#last = frame;
  }

  /** @param {Arrival} arrival it gets its index */
  add(arrival) {
    arrival.gop = this;
    arrival.index = this.length;
    this.#last = arrival.frame;
    this.length += 1;
    if (this.#frames.length < this.length - 1) return;
    this.#frames.push(arrival);
    this.#bytes += arrival.frame.payload.byteLength;
    if (this.length > MAX_FRAMES || this.#bytes > MAX_BYTES) this.release();
  }

  /** Its frames are not kept any longer. What comes after them can be decoded only by who has decoded them. */
  release() {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** The frame after this one, where it came already. @param {Arrival} arrival */
  after({ index }) {
    return this.#frames[index + 1] ?? null;
  }

  /**
   * What has to be decoded to see `target`, by somebody who has decoded `fed` and all before it.
   * @param {Arrival | null} fed @param {Arrival} target @returns {Arrival[] | null} `null`: it is not there any more
   */
  path(fed, target) {
    const from = fed?.gop === this && fed.index < target.index ? fed.index + 1 : 0;
    const path = [...this.#frames.slice(from, target.index), target];
    return path.length === target.index - from + 1 ? path : null;
  }
}
