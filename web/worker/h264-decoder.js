// Decodes H.264 with WebCodecs. Frames go in in order, and never without their predecessor. Output is matched with input by
// timestamps of our own, because decoders may hold frames back and captured_at may occur twice.

import { codecString, parameterSet } from './annex-b.js';

/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./decoders.js').Decoder} Decoder */
/** @typedef {{ resolve: (image: VideoFrame | null) => void, reject: (error: unknown) => void, taken: () => void }} Awaited */
/** The parts of WebCodecs in use. @typedef {Pick<typeof globalThis, 'VideoDecoder' | 'EncodedVideoChunk'>} Platform */

/**
 * @typedef {object} Env times in milliseconds
 * @property {Platform} platform
 * @property {(time: number, act: () => void) => void} after
 * @property {() => void} onFree the decoder takes frames again
 * @property {(error: unknown) => void} onFailure the decoder failed; the next keyframe starts another one
 */

/** Up to this many frames wait in the decoder. Further ones wait outside, where the newest wins. */
const MAX_QUEUED = 3;
/** H.264 lets a decoder hold back 16 frames, and it may work on a few more. One that took more and returned none is broken. */
const MAX_HELD_BACK = 20;
/** If no frame follows, the decoder is flushed after this time, because it may hold the frame back. In milliseconds. */
const FLUSH_AFTER = 120;
/** A decoder with waiting frames that neither takes nor returns one for this time is stuck. In milliseconds. */
const STUCK_AFTER = 2000;
/** Checks within `STUCK_AFTER`. After a suspend that time has passed without any work of the decoder: one check is not enough. */
const LOOKS = 4;
/** Difference between two timestamps, in microseconds: some platforms count in milliseconds. */
const STAMP = 1000;

/** @implements {Decoder} */
export class H264Decoder {
  /** @type {VideoDecoder | null} */
  #decoder = null;
  /** The last configuration; empty before the first one. */
  #configured = '';
  /** The last frame given to the decoder. @type {Arrival | null} */
  #fed = null;
  /** Frames to show, by timestamp, in order. @type {Map<number, Awaited>} */
  #awaited = new Map();
  #stamp = 0;
  /** Number of frames taken and images returned. */
  #moves = 0;
  /** True while the decoder is checked for being stuck. */
  #watched = false;

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  takes() {
    return this.#queued < MAX_QUEUED;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    const { gop } = arrival;
    return gop && !gop.failed ? gop.path(this.#fed, arrival) : null;
  }

  /**
   * @param {readonly Arrival[]} path @param {boolean} alone no frame will follow @param {() => void} taken
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
      if (alone) this.env.after(FLUSH_AFTER, () => this.#pressOut(stamp));
      this.#watch();
      if (this.#awaited.size - this.#queued > MAX_HELD_BACK) this.#fail(new Error('the decoder takes frames and returns none'));
    });
  }

  close() {
    this.#release();
    for (const { resolve } of this.#awaited.values()) resolve(null);
    this.#awaited.clear();
  }

  /** Frames that wait in the decoder. */
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

  /** Configures the decoder, unless the configuration is the same. @param {Uint8Array} keyframe */
  #configure(keyframe) {
    const set = parameterSet(keyframe);
    if (!set) throw new Error('the keyframe has no sequence parameter set');
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

  /** Checks the decoder as long as frames wait in it. */
  #watch() {
    if (this.#watched || !this.#decoder) return;
    this.#watched = true;
    this.#look(this.#decoder, this.#moves, LOOKS);
  }

  /** @param {VideoDecoder} decoder @param {number} moves that it had made @param {number} looks until it is given up */
  #look(decoder, moves, looks) {
    this.env.after(STUCK_AFTER / LOOKS, () => {
      if (decoder !== this.#decoder) return;
      if (this.#queued === 0) this.#watched = false;
      else if (this.#moves !== moves) this.#look(decoder, this.#moves, LOOKS);
      else if (looks > 1) this.#look(decoder, moves, looks - 1);
      else this.#fail(new Error('the decoder is stuck'));
    });
  }

  /** Images come out in order: earlier frames that are still awaited will not come out. @param {VideoFrame} image */
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
    // A slow decoder still has frames to work on.
    if (!this.takes()) this.env.after(FLUSH_AFTER, () => this.#pressOut(stamp));
    else {
      // After a flush only a keyframe may follow.
      this.#fed = null;
      const decoder = this.#decoder;
      decoder?.flush().catch(() => {});
      this.env.after(STUCK_AFTER, () => decoder === this.#decoder && this.#drop(stamp));
    }
  }

  /** The decoder lost this frame: nothing else would end the wait for it. @param {number} last */
  #drop(last) {
    for (const [stamp, { resolve }] of this.#awaited) {
      if (stamp > last) break;
      this.#awaited.delete(stamp);
      resolve(null);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    // Browsers reclaim decoders that were idle for long. That says nothing about the stream.
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
