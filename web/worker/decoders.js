// The decoders of one tile, one per codec: created on demand, closed when they fail or are not needed.

import { H264Decoder } from './h264-decoder.js';
import { JpegDecoder } from './jpeg-decoder.js';

/** @typedef {import('../shared/protocol.js').Codec} Codec */
/** @typedef {import('./arrivals.js').Arrival} Arrival */

/**
 * Decodes the frames of one codec.
 * @typedef {object} Decoder
 * @property {(inFlight: number) => boolean} takes true if it takes another frame now
 * @property {(arrival: Arrival) => Arrival[] | null} path the frames to decode to show this one; `null` if one is missing
 * @property {(path: readonly Arrival[], alone: boolean, taken: () => void) => Promise<import('./image.js').Image | null>} decode
 *   decodes the last frame of `path`; `null` if a newer one came out first. `alone`: no frame will follow. `taken`: called when
 *   the decoder has taken the frame, even if it holds it back
 * @property {() => void} close
 */

/**
 * @typedef {object} Env times in milliseconds
 * @property {() => number} now
 * @property {(blob: Blob) => Promise<ImageBitmap>} decode
 * @property {import('./h264-decoder.js').Platform} [platform] WebCodecs, if this browser decodes H.264
 * @property {(time: number, act: () => void) => () => void} [after] returns a function that cancels it
 * @property {() => void} [onKeyframeNeeded]
 * @property {() => void} [onSupportChange] `h264Failed` has changed
 */

/** Keyframes are requested no more often than this. A relay takes one a second per track, and one in 5 s for such a viewer. */
const KEYFRAME_EVERY = 1000;
/** This many failures within this time mean that the decoder is at fault, and not the stream. */
const MAX_FAILURES = 3;
const FAILURES_WITHIN = 10_000;
/** H.264 is retried after this time. The time doubles, up to the maximum, each time it fails soon after a retry. */
const RETRY = 60_000;
const MAX_RETRY = 16 * 60_000;

export class Decoders {
  /** True if H.264 could not be decoded repeatedly. */
  h264Failed = false;
  /** @type {Map<Codec, Decoder>} */
  #decoders = new Map();
  /** @type {number[]} */
  #failures = [];
  #askedForKeyframe = -Infinity;
  #retry = RETRY;
  #retriedAt = -Infinity;
  /** Cancels the next retry. @type {(() => void) | null} */
  #cancelRetry = null;

  /** @param {Env} env @param {() => void} onFree one takes frames again */
  constructor(env, onFree) {
    this.env = env;
    this.onFree = onFree;
  }

  /** @param {Codec} codec @returns {Decoder | null} `null`: this browser has none */
  of(codec) {
    const known = this.#decoders.get(codec);
    if (known) return known;
    const { platform, decode, now } = this.env;
    if (codec === 'h264' && !platform) return null;
    const decoder = codec === 'h264' && platform ? this.#h264(platform) : new JpegDecoder({ decode, now, after: this.#after });
    this.#decoders.set(codec, decoder);
    return decoder;
  }

  /** Retries H.264 immediately, because the viewer chose it. */
  retryH264() {
    this.#retry = RETRY;
    this.#retriedAt = -Infinity;
    this.#tryAgain();
  }

  /** Requests a keyframe: the received frames cannot be decoded without one. */
  needKeyframe() {
    const now = this.env.now();
    if (now - this.#askedForKeyframe < KEYFRAME_EVERY) return;
    this.#askedForKeyframe = now;
    this.env.onKeyframeNeeded?.();
  }

  /** Closes a decoder. It holds memory, and some machines support only a few. @param {Codec} codec */
  release(codec) {
    this.#decoders.get(codec)?.close();
    this.#decoders.delete(codec);
  }

  close() {
    for (const codec of this.#decoders.keys()) this.release(codec);
  }

  /** @param {number} time @param {() => void} act */
  #after = (time, act) => this.env.after?.(time, act) ?? (() => {});

  /** @param {import('./h264-decoder.js').Platform} platform */
  #h264(platform) {
    return new H264Decoder({
      platform,
      after: this.#after,
      onFree: this.onFree,
      onFailure: (error) => this.#failed(error),
    });
  }

  /** @param {unknown} error */
  #failed(error) {
    const now = this.env.now();
    this.#failures = [...this.#failures.filter((at) => now - at < FAILURES_WITHIN), now];
    const unknown = error instanceof Error && error.name === 'NotSupportedError';
    if (this.h264Failed || (!unknown && this.#failures.length < MAX_FAILURES)) return;
    this.h264Failed = true;
    this.#retry = now - this.#retriedAt < MAX_RETRY ? Math.min(MAX_RETRY, 2 * this.#retry) : RETRY;
    this.#cancelRetry = this.#after(this.#retry, () => {
      this.#retriedAt = this.env.now();
      this.#tryAgain();
      this.env.onSupportChange?.();
    });
    this.env.onSupportChange?.();
  }

  #tryAgain() {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.h264Failed = false;
    this.#failures = [];
  }
}
