// History: the last seconds of every stream, encoded as received. Serves stepping, rewinding and clips, and holds the frames
// that a synced wall shows later. An *instant* is a capture time by the relay's clock, in microseconds. Pure.

import { MAX_DELAY } from './playout-delay.js';

/**
 * Bounds: of each stream the last 30 s before the displayed frame, at most 3600 frames (30 s at 120 fps), and a number of
 * bytes for the whole wall. Displayed frames are evicted first, the oldest of the wall before all others. A keyframe is
 * evicted together with its deltas, which are useless without it. A frame that still finds no room is not stored.
 */
export const SPAN = 30_000_000;
const MAX_FRAMES = 3600;
const MEBI = 2 ** 20;
/** A keyframe older by more than this, in microseconds, means that the relay's clock was set back: older times are void. */
const SET_BACK = 5_000_000;
/** No frame waits longer than this. A frame further in the future has a time of another clock. */
const MAX_AHEAD = MAX_DELAY * 1000;

/**
 * Returns how many bytes of frames to remember: 192 MiB are 30 s of 25 streams at 2 Mbit/s.
 * @param {number | undefined} memory of the machine in GiB, if the browser reports it
 */
export function maxBytes(memory) {
  if (memory === undefined) return 96 * MEBI;
  return memory >= 4 ? 192 * MEBI : 64 * MEBI;
}

/**
 * @typedef {{ frame: { capturedAt: number, keyframe: boolean, codec: string, rendition: number,
 *   payload: { byteLength: number } }, gop: { release: () => void } | null, index: number }} Kept
 */

/** @template {Kept} T */
export class History {
  /** Frames in order of arrival, by stream. @type {Map<number, T[]>} */
  #streams = new Map();
  #bytes = 0;
  /** Capture time of the newest frame that was evicted for lack of room. @type {WeakMap<T[], number>} */
  #truncatedAt = new WeakMap();

  /** @param {{ bytes?: number, frames?: number }} [limits] */
  constructor({ bytes = maxBytes(undefined), frames = MAX_FRAMES } = {}) {
    this.limits = { bytes, frames };
  }

  get bytes() {
    return this.#bytes;
  }

  /**
   * Stores a frame.
   * @param {number} id @param {T} kept @param {number} instant that the wall shows; later frames are still to be shown
   * @returns {boolean} false if there was no room, or it cannot be decoded
   */
  add(id, kept, instant) {
    const list = this.#streams.get(id) ?? [];
    if (isOfAnotherClock(kept, list.at(-1))) this.#empty(list);
    this.#forgetOld(list, Math.min(instant, kept.frame.capturedAt));
    if (!follows(kept, list.at(-1))) return false;
    const size = kept.frame.payload.byteLength;
    if (list.length >= this.limits.frames && !this.#cut(list, instant)) return false;
    while (this.#bytes + size > this.limits.bytes) if (!this.#cut(this.#leastNeeded(instant), instant)) return false;
    // The eviction may have taken its own keyframe.
    if (!follows(kept, list.at(-1))) return false;
    list.push(kept);
    this.#bytes += size;
    this.#streams.set(id, list);
    return true;
  }

  /** Streams with frames. */
  get ids() {
    return this.#streams.keys();
  }

  /**
   * Returns a stream's newest frame at or before an instant. If it has none that old, returns its oldest frame.
   * @param {number} id @param {number} instant @returns {T | null}
   */
  at(id, instant) {
    const list = this.#streams.get(id) ?? [];
    for (let at = list.length - 1; at > 0; at -= 1) {
      const kept = list[at];
      if (kept && kept.frame.capturedAt <= instant) return kept;
    }
    return list[0] ?? null;
  }

  /**
   * Returns the next instant, forwards or backwards, at which a stream, or any of them, has another frame.
   * @param {number} instant @param {number} by 1 or -1 @param {number | null} [id] @returns {number | null} `null` if there is none
   */
  step(instant, by, id = null) {
    let found = null;
    const lists = id === null ? this.#streams.values() : [this.#streams.get(id) ?? []];
    for (const list of lists) {
      for (const { frame } of list) {
        const ahead = (frame.capturedAt - instant) * by;
        if (ahead > 0 && (found === null || ahead < (found - instant) * by)) found = frame.capturedAt;
      }
    }
    return found;
  }

  /** Returns the newest frame of a stream. @param {number} id @returns {T | null} */
  newest(id) {
    return this.#streams.get(id)?.at(-1) ?? null;
  }

  /** Returns the oldest instant of a stream. @param {number} id @returns {number | null} */
  startOf(id) {
    return this.#streams.get(id)?.[0]?.frame.capturedAt ?? null;
  }

  /**
   * Returns the frames of a stream from the keyframe at or before an instant to the newest.
   * @param {number} id @param {number} from @returns {T[]}
   */
  since(id, from) {
    const list = this.#streams.get(id) ?? [];
    let first = list.length - 1;
    while (first > 0 && !isBegin(list[first], from)) first -= 1;
    return list.slice(Math.max(0, first));
  }

  /** Returns whether frames of a stream's last 30 s were evicted for lack of room. @param {number} id */
  wasTruncated(id) {
    const list = this.#streams.get(id);
    const newest = list?.at(-1)?.frame.capturedAt ?? -Infinity;
    return list !== undefined && (this.#truncatedAt.get(list) ?? -Infinity) > newest - SPAN;
  }

  /** @param {number} id */
  forget(id) {
    const list = this.#streams.get(id) ?? [];
    while (this.#shift(list, Infinity));
    this.#streams.delete(id);
  }

  /**
   * Evicts what is older than the span. Keeps the last frame before it, which was displayed when the span started.
   * @param {T[]} list @param {number} instant
   */
  #forgetOld(list, instant) {
    for (;;) {
      const next = list[keyframeAfter(list)];
      if (!next || next.frame.capturedAt > instant - SPAN) return;
      this.#shift(list, Infinity);
    }
  }

  /** @param {T[]} list */
  #empty(list) {
    while (this.#shift(list, Infinity));
    this.#truncatedAt.delete(list);
  }

  /** Evicts the oldest frames of a list to make room. @param {T[]} list @param {number} instant */
  #cut(list, instant) {
    const last = list[keyframeAfter(list) - 1];
    const cut = this.#shift(list, instant);
    if (cut && last) this.#truncatedAt.set(list, last.frame.capturedAt);
    return cut;
  }

  /** Evicts the oldest keyframe of a list and its deltas, unless one is still to be shown. @param {T[]} list @param {number} instant */
  #shift(list, instant) {
    const end = keyframeAfter(list);
    const last = list[end - 1];
    if (!last || isStillToBeShown(last, instant)) return false;
    for (const { frame } of list.splice(0, end)) this.#bytes -= frame.payload.byteLength;
    last.gop?.release();
    return true;
  }

  /** Returns a stream with times of another clock; otherwise the one with the oldest frame. @param {number} instant */
  #leastNeeded(instant) {
    /** @type {T[]} */
    let oldest = [];
    for (const list of this.#streams.values()) {
      const [first] = list;
      if (first && first.frame.capturedAt - instant > MAX_AHEAD) return list;
      if (first && first.frame.capturedAt < (oldest[0]?.frame.capturedAt ?? Infinity)) oldest = list;
    }
    return oldest;
  }
}

/** Returns the index of the second keyframe of a list, or its end. @param {readonly Kept[]} list */
function keyframeAfter(list) {
  const found = list.findIndex(({ frame }, at) => at > 0 && frame.keyframe);
  return found === -1 ? list.length : found;
}

/** @param {Kept | undefined} kept @param {number} instant */
function isBegin(kept, instant) {
  return kept !== undefined && kept.frame.keyframe && kept.frame.capturedAt <= instant;
}

/** Returns whether a frame can be decoded: a delta is useful only directly after its predecessor. @param {Kept} kept @param {Kept | undefined} before */
function follows({ frame, gop, index }, before) {
  return frame.keyframe || (before !== undefined && gop !== null && before.gop === gop && before.index === index - 1);
}

/** @param {Kept} kept @param {number} instant */
function isStillToBeShown({ frame }, instant) {
  const ahead = frame.capturedAt - instant;
  return ahead > 0 && ahead <= MAX_AHEAD;
}

/** Returns whether the clock was set back. Deltas stay with their keyframe. @param {Kept} kept @param {Kept | undefined} before */
function isOfAnotherClock({ frame }, before) {
  return frame.keyframe && before !== undefined && before.frame.capturedAt - frame.capturedAt > SET_BACK;
}
