// The last seconds of every stream, encoded as they came: what a frozen wall steps through, and what a wall in step holds
// back. An *instant* is a time of capture by the relay's clock, in microseconds. Pure.

/**
 * The bounds: of each stream the last 2 s before what it shows, at most 256 frames (2 s at 120 a second), and 32 MiB for
 * the whole wall (2 s at 128 Mbit/s). What has been shown is given up first, the oldest of the wall before all others; a
 * frame for which there is no room even then is not taken.
 */
export const SPAN = 2_000_000;
const MOST_FRAMES = 256;
const MOST_BYTES = 32 * 2 ** 20;

/** @typedef {{ frame: { capturedAt: number, payload: { byteLength: number } } }} Kept */

/** @template {Kept} T */
export class History {
  /** In the order in which they came, by stream. @type {Map<number, T[]>} */
  #streams = new Map();
  #bytes = 0;

  /** @param {{ bytes?: number, frames?: number }} [most] */
  constructor({ bytes = MOST_BYTES, frames = MOST_FRAMES } = {}) {
    this.most = { bytes, frames };
  }

  get bytes() {
    return this.#bytes;
  }

  /**
   * @param {number} id @param {T} kept @param {number} instant what the wall shows; later frames are still to be shown
   * @returns {boolean} whether there was room for it
   */
  add(id, kept, instant) {
    const list = this.#streams.get(id) ?? [];
    this.#forgetOld(list, Math.min(instant, kept.frame.capturedAt));
    const size = kept.frame.payload.byteLength;
    if (list.length >= this.most.frames && !this.#shift(list, instant)) return false;
    while (this.#bytes + size > this.most.bytes) if (!this.#shift(this.#oldest(), instant)) return false;
    list.push(kept);
    this.#bytes += size;
    this.#streams.set(id, list);
    return true;
  }

  /** The streams that have something to show. */
  get ids() {
    return this.#streams.keys();
  }

  /**
   * The newest frame of a stream that is not younger than this instant; of a stream that has none so old, the oldest.
   * @param {number} id @param {number} instant @returns {T | null}
   */
  at(id, instant) {
    const list = this.#streams.get(id) ?? [];
    const old = list.filter(({ frame }) => frame.capturedAt <= instant);
    return old.at(-1) ?? list[0] ?? null;
  }

  /**
   * One step on or back in common time: the next instant at which any stream has another frame.
   * @param {number} instant @param {number} by 1 or -1 @returns {number | null} `null`: there is none
   */
  step(instant, by) {
    let found = null;
    for (const list of this.#streams.values()) {
      for (const { frame } of list) {
        const ahead = (frame.capturedAt - instant) * by;
        if (ahead > 0 && (found === null || ahead < (found - instant) * by)) found = frame.capturedAt;
      }
    }
    return found;
  }

  /** @param {number} id */
  forget(id) {
    const list = this.#streams.get(id) ?? [];
    while (this.#shift(list, Infinity));
    this.#streams.delete(id);
  }

  /**
   * The last one before the span stays: it is what was shown at the beginning of it.
   * @param {T[]} list @param {number} instant
   */
  #forgetOld(list, instant) {
    while (list[1] && list[1].frame.capturedAt <= instant - SPAN) this.#shift(list, Infinity);
  }

  /** Gives up the oldest frame of a list, unless it is still to be shown. @param {T[]} list @param {number} instant */
  #shift(list, instant) {
    const [oldest] = list;
    if (!oldest || oldest.frame.capturedAt > instant) return false;
    list.shift();
    this.#bytes -= oldest.frame.payload.byteLength;
    return true;
  }

  /** The stream that reaches back furthest. */
  #oldest() {
    /** @type {T[]} */
    let oldest = [];
    for (const list of this.#streams.values()) {
      const [first] = list;
      if (first && first.frame.capturedAt < (oldest[0]?.frame.capturedAt ?? Infinity)) oldest = list;
    }
    return oldest;
  }
}
