// H.264, by the browser's own decoder. It is fed in order, and what has no predecessor never; what comes out is matched
// with what went in by a stamp of our own, since decoders may hold pictures back and captured_at may come twice.

import { codecString, parameterSet } from './annex-b.js';

/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./decoders.js').Decoder} Decoder */
/** @typedef {{ resolve: (image: VideoFrame | null) => void, reject: (error: unknown) => void, taken: () => void }} Awaited */
/** What of WebCodecs is used. @typedef {Pick<typeof globalThis, 'VideoDecoder' | 'EncodedVideoChunk'>} Platform */

/**
 * @typedef {object} Env times in milliseconds
 * @property {Platform} platform
 * @property {(time: number, act: () => void) => void} after
 * @property {() => void} onFree it takes frames again
 * @property {(error: unknown) => void} onFailure it failed, and begins anew with the next keyframe
 */

/** So many frames wait within the decoder before others wait outside, where the newest wins. */
const MOST_QUEUED = 3;
/**
 * H.264 lets a decoder hold back 16 pictures, and it may work at some more. One that has taken more and shown none will
 * show none.
 */
const MOST_HELD = 20;
/** Who looks at one picture, and sends no other behind it, waits no longer for a decoder that holds it back. */
const LONGEST_HELD = 120;
/** A decoder that takes nothing and shows nothing for so long, though frames wait within it, never will. */
const LONGEST_STUCK = 2000;
/** It is looked at so often meanwhile: who wakes from sleep finds the time over, and the decoder has had none of it. */
const LOOKS = 4;
/** Between two stamps, in microseconds: some platforms count in milliseconds. */
const STAMP = 1000;

/** @implements {Decoder} */
export class H264Decoder {
  /** @type {VideoDecoder | null} */
  #decoder = null;
  /** What it was reported last; empty: nothing yet. */
  #configured = '';
  /** The last frame that went in. @type {Arrival | null} */
  #fed = null;
  /** What is to be seen, by the stamp it went in with, in order. @type {Map<number, Awaited>} */
  #awaited = new Map();
  #stamp = 0;
  /** How often it took a frame or showed a picture. */
  #moves = 0;
  /** Whether somebody looks after it. */
  #watched = false;

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  takes() {
    return this.#queued < MOST_QUEUED;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    const { gop } = arrival;
    return gop && !gop.failed ? gop.path(this.#fed, arrival) : null;
  }

  /**
   * @param {readonly Arrival[]} path @param {boolean} alone nothing will be sent behind it @param {() => void} taken
   * @returns {Promise<VideoFrame | null>}
   */
  decode(path, alone, taken) {
    return new Promise((resolve, reject) => {
      try {
        for (const arrival of path) this.#feed(arrival);
      } catch (error) {
        reject(error);
        this.#fail(error);
        return;
      }
      const stamp = this.#stamp;
      this.#awaited.set(stamp, { resolve, reject, taken });
      if (alone) this.env.after(LONGEST_HELD, () => this.#pressOut(stamp));
      this.#watch();
      if (this.#awaited.size - this.#queued > MOST_HELD) this.#fail(new Error('nothing comes out of the decoder'));
    });
  }

  close() {
    this.#release();
    for (const { resolve } of this.#awaited.values()) resolve(null);
    this.#awaited.clear();
  }

  /** How many frames wait within the decoder. */
  get #queued() {
    return this.#decoder?.decodeQueueSize ?? 0;
  }

  /** @param {Arrival} arrival */
  #feed(arrival) {
    const { keyframe, payload } = arrival.frame;
    this.#fed = arrival;
    if (keyframe) this.#configure(payload);
    this.#stamp += STAMP;
    const chunk = { type: keyframe ? 'key' : 'delta', timestamp: this.#stamp, data: payload };
    this.#decoder?.decode(new this.env.platform.EncodedVideoChunk(/** @type {EncodedVideoChunkInit} */ (chunk)));
  }

  /** Tells the decoder what comes, where that is not what it was reported last. @param {Uint8Array} keyframe */
  #configure(keyframe) {
    const set = parameterSet(keyframe);
    if (!set) throw new Error('a keyframe without parameter set');
    const configured = set.join();
    if (this.#decoder && configured === this.#configured) return;
    this.#decoder ??= this.#open();
    this.#configured = configured;
    this.#decoder.configure({ codec: codecString(set), optimizeForLatency: true });
  }

  #open() {
    /** @type {VideoDecoder} */
    const decoder = new this.env.platform.VideoDecoder({
      output: (image) => (decoder === this.#decoder ? this.#cameOut(image) : image.close()),
      error: (error) => decoder === this.#decoder && this.#fail(error),
    });
    decoder.addEventListener('dequeue', () => decoder === this.#decoder && this.#tookSome());
    return decoder;
  }

  #tookSome() {
    this.#moves += 1;
    const newest = this.#stamp - this.#queued * STAMP;
    for (const [stamp, { taken }] of this.#awaited) if (stamp <= newest) taken();
    if (this.takes()) this.env.onFree();
  }

  /** As long as frames wait within the decoder, somebody looks after it. */
  #watch() {
    if (this.#watched || !this.#decoder) return;
    this.#watched = true;
    this.#look(this.#decoder, this.#moves, LOOKS);
  }

  /** @param {VideoDecoder} decoder @param {number} moves that it had made @param {number} looks until it is given up */
  #look(decoder, moves, looks) {
    this.env.after(LONGEST_STUCK / LOOKS, () => {
      if (decoder !== this.#decoder) return;
      if (this.#queued === 0) this.#watched = false;
      else if (this.#moves !== moves) this.#look(decoder, this.#moves, LOOKS);
      else if (looks > 1) this.#look(decoder, moves, looks - 1);
      else this.#fail(new Error('the decoder is stuck'));
    });
  }

  /** Pictures come out in order: what went in before this one and is still awaited will not come any more. @param {VideoFrame} image */
  #cameOut(image) {
    this.#moves += 1;
    for (const [stamp, { resolve }] of this.#awaited) {
      if (stamp > image.timestamp) break;
      this.#awaited.delete(stamp);
      if (stamp === image.timestamp) {
        resolve(image);
        return;
      }
      resolve(null);
    }
    image.close();
  }

  /** @param {number} stamp */
  #pressOut(stamp) {
    if (!this.#awaited.has(stamp)) return;
    // It may simply be slow: then it still has something to do.
    if (!this.takes()) this.env.after(LONGEST_HELD, () => this.#pressOut(stamp));
    else {
      // After that only a keyframe may follow.
      this.#fed = null;
      const decoder = this.#decoder;
      decoder?.flush().catch(() => {});
      this.env.after(LONGEST_STUCK, () => decoder === this.#decoder && this.#drop(stamp));
    }
  }

  /** The decoder has lost this frame: nothing else would end the wait for it. @param {number} last */
  #drop(last) {
    for (const [stamp, { resolve }] of this.#awaited) {
      if (stamp > last) break;
      this.#awaited.delete(stamp);
      resolve(null);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    // Browsers take decoders away that were idle for long. That says nothing about the stream.
    if (this.#fed?.gop && !wasTaken(error)) this.#fed.gop.failed = true;
    this.#release();
    const awaited = [...this.#awaited.values()];
    this.#awaited.clear();
    for (const { resolve, reject } of awaited) wasTaken(error) ? resolve(null) : reject(error);
    if (!wasTaken(error)) this.env.onFailure(error);
  }

  #release() {
    const decoder = this.#decoder;
    this.#decoder = this.#fed = null;
    this.#configured = '';
    this.#watched = false;
    if (decoder && decoder.state !== 'closed') decoder.close();
  }
}

/** @param {unknown} error */
function wasTaken(error) {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
