// The visible end of a subscription: paints images, and measures what people see: frame age, frame rate, freezes.

import { median } from '../shared/age.js';
import { Freezes } from './freezes.js';
import { sizeOf } from './image.js';
import { Rate } from './rate.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('./image.js').Image} Image */
/** @typedef {import('./image.js').Size} Size */

/** The age that people see is the median of this many frames. */
const AGES = 15;

/** A screen that takes longer, in milliseconds, is hidden or gone: ages then end when a frame is painted. */
const MAX_SCREEN_WAIT = 1000;

/**
 * @typedef {object} Env times in milliseconds
 * @property {() => number} now
 * @property {() => number | null} offset relay's clock minus ours
 * @property {(size: Size) => void} onPaint
 * @property {(act: () => void) => void} [onNextScreenFrame] acts when the screen shows what was painted last
 */

export class Display {
  /** Paints; `null` until the tile has a canvas. @type {((image: Image) => void) | null} */
  #paint = null;
  /** The newest image without a canvas to paint on. @type {Image | null} */
  #pending = null;
  /** @type {Frame | null} */
  #frame = null;
  #paintedAt = 0;
  #painted = 0;
  /** Since when a painted frame waits for the screen. @type {number | null} */
  #waitsSince = null;
  /** @type {number[]} */
  #ages = [];
  #frames = new Rate();
  #freezes = new Freezes();

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  /** The displayed frame, encoded. */
  get frame() {
    return this.#frame;
  }

  /** @param {(image: Image) => void} paint */
  paintWith(paint) {
    this.#paint = paint;
    const pending = this.#pending;
    this.#pending = null;
    if (pending) this.#draw(pending);
  }

  /** @param {Image} image @param {Frame} frame @param {{ paused: boolean, starting: boolean }} state gaps are no freezes then */
  show(image, frame, { paused, starting }) {
    const now = this.env.now();
    this.#painted += 1;
    this.#frame = frame;
    this.#paintedAt = now;
    if (!paused) this.#freezes.shown(now, starting);
    this.#frames.add(1, now);
    this.#draw(image);
    this.#awaitScreen(now);
  }

  /** The displayed frame does not prove that the stream is live: the next one does. */
  restart() {
    this.#painted = 0;
  }

  /** The next frame follows an intended gap: neither the ages so far nor the gap say anything about it. */
  expectGap() {
    this.#ages = [];
    this.#freezes.expectGap();
  }

  /** @param {number} now */
  stats(now) {
    const frame = this.#frame;
    const age = this.#age();
    return {
      /** @type {import('../shared/protocol.js').Codec | ''} */
      codec: frame?.codec ?? '',
      sequence: frame ? String(frame.sequence) : '',
      capturedAt: frame?.capturedAt ?? 0,
      rendition: frame?.rendition ?? 0,
      age,
      calmAge: this.#ages.length > 0 ? median(this.#ages) : age,
      paintedAt: this.#paintedAt,
      painted: this.#painted,
      fps: this.#frames.perSecond(now),
      freezes: this.#freezes.counted(now),
    };
  }

  close() {
    this.#paint = null;
    this.#pending?.close();
    this.#pending = null;
  }

  /** The age of a frame ends when the screen shows it. A frame that is painted over before that is not seen. @param {number} now */
  #awaitScreen(now) {
    const { onNextScreenFrame } = this.env;
    if (!onNextScreenFrame) return this.#noteAge();
    if (this.#waitsSince !== null) {
      if (now - this.#waitsSince > MAX_SCREEN_WAIT) this.#noteAge();
      return;
    }
    this.#waitsSince = now;
    onNextScreenFrame(() => {
      this.#waitsSince = null;
      this.#paintedAt = this.env.now();
      this.#noteAge();
    });
  }

  #noteAge() {
    const age = this.#age();
    if (age !== null) this.#ages = [...this.#ages.slice(1 - AGES), age];
  }

  /** Age of the displayed frame when the screen showed it. Computed each time, because the clock may be known only afterwards. */
  #age() {
    const offset = this.env.offset();
    if (offset === null || !this.#frame) return null;
    return this.#paintedAt + offset - this.#frame.capturedAt / 1000;
  }

  /** @param {Image} image */
  #draw(image) {
    if (!this.#paint) {
      this.#pending?.close();
      this.#pending = image;
      return;
    }
    const size = sizeOf(image);
    this.#paint(image);
    this.env.onPaint(size);
  }
}
