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
const CHECKS = 4;
/** Difference between two timestamps, in microseconds: some platforms count in milliseconds. */
const TIMESTAMP_STEP = 1000;

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
  #timestamp = 0;
  /** Number of frames taken and images returned. */
  #progress = 0;
  /** True while the decoder is checked for being stuck. */
  #checking = false;

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
      const timestamp = this.#timestamp;
      this.#awaited.set(timestamp, { resolve, reject, taken });
      if (alone) this.env.after(FLUSH_AFTER, () => this.#flush(timestamp));
      this.#startChecks();
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
    this.#timestamp += TIMESTAMP_STEP;
    const chunk = { type: keyframe ? 'key' : 'delta', timestamp: this.#timestamp, data: payload };
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
      output: (image) => (decoder === this.#decoder ? this.#output(image) : image.close()),
      error: (error) => decoder === this.#decoder && this.#fail(error),
    });
    decoder.addEventListener('dequeue', () => decoder === this.#decoder && this.#dequeued());
    return decoder;
  }

  #dequeued() {
    this.#progress += 1;
    const newest = this.#timestamp - this.#queued * TIMESTAMP_STEP;
    for (const [timestamp, { taken }] of this.#awaited) if (timestamp <= newest) taken();
    if (this.takes()) this.env.onFree();
  }

  /** Checks the decoder as long as frames wait in it. */
  #startChecks() {
    if (this.#checking || !this.#decoder) return;
    this.#checking = true;
    this.#check(this.#decoder, this.#progress, CHECKS);
  }

  /** @param {VideoDecoder} decoder @param {number} progress that it had made @param {number} checks until it is given up */
  #check(decoder, progress, checks) {
    this.env.after(STUCK_AFTER / CHECKS, () => {
      if (decoder !== this.#decoder) return;
      if (this.#queued === 0) this.#checking = false;
      else if (this.#progress !== progress) this.#check(decoder, this.#progress, CHECKS);
      else if (checks > 1) this.#check(decoder, progress, checks - 1);
      else this.#fail(new Error('the decoder is stuck'));
    });
  }

  /** Images come out in order: earlier frames that are still awaited will not come out. @param {VideoFrame} image */
  #output(image) {
    this.#progress += 1;
    for (const [timestamp, { resolve }] of this.#awaited) {
      if (timestamp > image.timestamp) break;
      this.#awaited.delete(timestamp);
      if (timestamp === image.timestamp) {
        resolve(image);
        return;
      }
      resolve(null);
    }
    image.close();
  }

  /** @param {number} timestamp */
  #flush(timestamp) {
    if (!this.#awaited.has(timestamp)) return;
    // A slow decoder still has frames to work on.
    if (!this.takes()) this.env.after(FLUSH_AFTER, () => this.#flush(timestamp));
    else {
      // After a flush only a keyframe may follow.
      this.#fed = null;
      const decoder = this.#decoder;
      decoder?.flush().catch(() => {});
      this.env.after(STUCK_AFTER, () => decoder === this.#decoder && this.#drop(timestamp));
    }
  }

  /** The decoder lost this frame: nothing else would end the wait for it. @param {number} last */
  #drop(last) {
    for (const [timestamp, { resolve }] of this.#awaited) {
      if (timestamp > last) break;
      this.#awaited.delete(timestamp);
      resolve(null);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    // Browsers reclaim decoders that were idle for long. That says nothing about the stream.
    if (this.#fed?.gop && !wasReclaimed(error)) this.#fed.gop.failed = true;
    this.#release();
    const awaited = [...this.#awaited.values()];
    this.#awaited.clear();
    for (const { resolve, reject } of awaited) wasReclaimed(error) ? resolve(null) : reject(error);
    if (!wasReclaimed(error)) this.env.onFailure(error);
  }

  #release() {
    const decoder = this.#decoder;
    this.#decoder = this.#fed = null;
    this.#configured = '';
    this.#checking = false;
    if (decoder && decoder.state !== 'closed') decoder.close();
  }
}

/** @param {unknown} error */
function wasReclaimed(error) {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
