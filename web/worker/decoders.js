// The decoders of one picture, one for each codec that comes: made when they are needed, given up when they fail.

import { H264Decoder } from './h264-decoder.js';
import { JpegDecoder } from './jpeg-decoder.js';

/** @typedef {import('./picture.js').Decoder} Decoder */
/** @typedef {import('../shared/protocol.js').Codec} Codec */

/**
 * @typedef {object} World times in milliseconds
 * @property {() => number} now
 * @property {(blob: Blob) => Promise<ImageBitmap>} decode
 * @property {import('./h264-decoder.js').Platform} [platform] where there is H.264
 * @property {(time: number, act: () => void) => () => void} [after] returns what calls it off
 * @property {() => void} [onLost] a keyframe is needed
 * @property {() => void} [onCapability] `incapable` has changed
 */

/** How often a keyframe is asked for; a relay makes no more either. */
const KEYFRAME_EVERY = 1000;
/** So many failures within so long, and it is not the stream. */
const MOST_FAILURES = 3;
const FAILURES_WITHIN = 10_000;
/** H.264 is tried again after this time; after twice as long each time that it fails soon after. */
const RETRY = 60_000;
const LONGEST_RETRY = 16 * 60_000;

export class Decoders {
  /** Whether H.264 could not be decoded, again and again. */
  incapable = false;
  /** @type {Map<Codec, Decoder>} */
  #decoders = new Map();
  /** @type {number[]} */
  #failures = [];
  #askedForKeyframe = -Infinity;
  #retry = RETRY;
  #retriedAt = -Infinity;
  /** Calls off the next trial. @type {(() => void) | null} */
  #noRetry = null;

  /** @param {World} world @param {() => void} onFree one takes frames again */
  constructor(world, onFree) {
    this.world = world;
    this.onFree = onFree;
  }

  /** @param {Codec} codec @returns {Decoder | null} `null`: this browser has none */
  of(codec) {
    const known = this.#decoders.get(codec);
    if (known) return known;
    const { platform, decode, now } = this.world;
    if (codec === 'h264' && !platform) return null;
    const decoder = codec === 'h264' && platform ? this.#h264(platform) : new JpegDecoder({ decode, now, after: this.#after });
    this.#decoders.set(codec, decoder);
    return decoder;
  }

  /** H.264 is worth another trial, because the viewer asks for it. */
  forgive() {
    this.#retry = RETRY;
    this.#retriedAt = -Infinity;
    this.#tryAgain();
  }

  /** What comes cannot be decoded without a keyframe. */
  needKeyframe() {
    const now = this.world.now();
    if (now - this.#askedForKeyframe < KEYFRAME_EVERY) return;
    this.#askedForKeyframe = now;
    this.world.onLost?.();
  }

  /** A decoder holds memory, and some machines have few of them. @param {Codec} codec */
  letGoOf(codec) {
    this.#decoders.get(codec)?.close();
    this.#decoders.delete(codec);
  }

  close() {
    for (const codec of this.#decoders.keys()) this.letGoOf(codec);
  }

  /** @param {number} time @param {() => void} act */
  #after = (time, act) => this.world.after?.(time, act) ?? (() => {});

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
    const now = this.world.now();
    this.#failures = [...this.#failures.filter((at) => now - at < FAILURES_WITHIN), now];
    const unknown = error instanceof Error && error.name === 'NotSupportedError';
    if (this.incapable || (!unknown && this.#failures.length < MOST_FAILURES)) return;
    this.incapable = true;
    this.#retry = now - this.#retriedAt < LONGEST_RETRY ? Math.min(LONGEST_RETRY, 2 * this.#retry) : RETRY;
    this.#noRetry = this.#after(this.#retry, () => {
      this.#retriedAt = this.world.now();
      this.#tryAgain();
      this.world.onCapability?.();
    });
    this.world.onCapability?.();
  }

  #tryAgain() {
    this.#noRetry?.();
    this.#noRetry = null;
    this.incapable = false;
    this.#failures = [];
  }
}
