// A keyframe and the deltas that came after it, encoded: what has to be decoded to see one of them. Pure.

/** @typedef {import('./picture.js').Arrival} Arrival */

/**
 * The bounds of one that nobody else bounds. Whoever sends no keyframe for longer is watched live all the same; only
 * what a decoder has not seen yet cannot be caught up with.
 */
const MOST_FRAMES = 3600;
const MOST_BYTES = 32 * 2 ** 20;

export class Gop {
  /** Whether a decoder failed at it. Another one would fail as well. */
  spoilt = false;
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
  passOver(frame) {
    this.#last = frame;
  }

  /** @param {Arrival} arrival it gets its place */
  add(arrival) {
    arrival.gop = this;
    arrival.place = this.length;
    this.#last = arrival.frame;
    this.length += 1;
    if (this.#frames.length < this.length - 1) return;
    this.#frames.push(arrival);
    this.#bytes += arrival.frame.payload.byteLength;
    if (this.length > MOST_FRAMES || this.#bytes > MOST_BYTES) this.letGo();
  }

  /** Its frames are not kept any longer. What comes after them can be decoded only by who has decoded them. */
  letGo() {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** The frame after this one, where it came already. @param {Arrival} arrival */
  after({ place }) {
    return this.#frames[place + 1] ?? null;
  }

  /**
   * What has to be decoded to see `target`, by somebody who has decoded `fed` and all before it.
   * @param {Arrival | null} fed @param {Arrival} target @returns {Arrival[] | null} `null`: it is not there any more
   */
  path(fed, target) {
    const from = fed?.gop === this && fed.place < target.place ? fed.place + 1 : 0;
    const path = [...this.#frames.slice(from, target.place), target];
    return path.length === target.place - from + 1 ? path : null;
  }
}
