// A keyframe and the deltas after it, encoded: which frames to decode to show one of them. Pure.

/** @typedef {import('./arrivals.js').Arrival} Arrival */

/**
 * Bounds for a stream without keyframes. It is shown live all the same; only frames that a decoder has not seen can no
 * longer be decoded.
 */
const MAX_FRAMES = 3600;
const MAX_BYTES = 32 * 2 ** 20;

export class Gop {
  /** True if a decoder failed at this GOP. Another one would fail too. */
  failed = false;
  /** @type {Arrival[]} */
  #frames = [];
  #bytes = 0;
  /** Number of frames received. */
  length = 0;
  /** @type {Arrival['frame'] | null} */
  #last = null;

  /**
   * Returns whether this frame is the next one. Another track starts with a keyframe. The rendition's number says nothing,
   * because the list of renditions may change within a track.
   * @param {Arrival['frame']} frame
   */
  isFollowedBy({ sequence, keyframe }) {
    return !keyframe && this.#last?.sequence === sequence - 1n;
  }

  /** Notes a frame without a picture, which the next frame does not need. @param {Arrival['frame']} frame */
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

  /** Frees the frames. Later ones can be decoded only by a decoder that has seen these. */
  release() {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** Returns the frame after this one, if it was received. @param {Arrival} arrival */
  after({ index }) {
    return this.#frames[index + 1] ?? null;
  }

  /**
   * Returns the frames to decode to show `target`, for a decoder that has seen `fed` and all before it.
   * @param {Arrival | null} fed @param {Arrival} target @returns {Arrival[] | null} `null` if they were freed
   */
  path(fed, target) {
    const from = fed?.gop === this && fed.index < target.index ? fed.index + 1 : 0;
    const path = [...this.#frames.slice(from, target.index), target];
    return path.length === target.index - from + 1 ? path : null;
  }
}
