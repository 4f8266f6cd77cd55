// One subscription's pictures, in the worker: decode (at most two at a time, newest wins), paint, count.

import { median, staleAfter } from './age.js';
import { Rate } from './rate.js';

/** @typedef {import('./protocol.js').Frame} Frame */
/** @typedef {{ width: number, height: number }} Size */

/**
 * What the page is told of a subscription, four times a second.
 * @typedef {object} PictureStats
 * @property {number} id
 * @property {string} sequence of the frame on the screen; a decimal number, since 64 bits do not fit a Number
 * @property {number | null} age of that frame when it was painted, in milliseconds; `null` without the relay's clock
 * @property {number | null} calmAge the median of the last ages: the number for people
 * @property {number} paintedAt milliseconds since the Unix epoch
 * @property {number} painted frames since the last `watch` after a pause
 * @property {number} interval milliseconds between frames, as they come; 0 while unknown
 * @property {number} fps frames painted a second
 * @property {number} bitrate bits received a second
 * @property {number} missing gaps in the sequence: lost or dropped before they came here
 * @property {number} dropped here, because a newer one was there before it was decoded
 * @property {number} broken could not be decoded
 */

/** One to decode while another is being painted; more would only make pictures older. */
const MOST_IN_FLIGHT = 2;
const AGES = 15;
/** The first interval says little: the newest frame held came at once, the next when it was made. */
const LONGEST_FIRST_INTERVAL = 400;

export class Picture {
  /** Where to paint; until there is one the newest picture is kept. @type {((bitmap: ImageBitmap) => void) | null} */
  #paint = null;
  /** @type {ImageBitmap | null} */
  #kept = null;
  /** @type {{ frame: Frame, order: number } | null} */
  #next = null;
  #inFlight = 0;
  #order = 0;
  #paintedOrder = 0;
  /** @type {bigint | null} */
  #lastSequence = null;
  #lastArrival = 0;
  /** @type {{ sequence: bigint, capturedAt: number } | null} */
  #shown = null;
  /** @type {number[]} */
  #ages = [];
  #paintedAt = 0;
  #painted = 0;
  #interval = 0;
  #missing = 0;
  #dropped = 0;
  #broken = 0;
  #frames = new Rate();
  #bits = new Rate();

  /**
   * @param {number} id
   * @param {{ now: () => number, decode: (blob: Blob) => Promise<ImageBitmap>,
   *   offset: () => number | null, onPaint: (size: Size) => void }} world `now` and `offset` in milliseconds
   */
  constructor(id, world) {
    this.id = id;
    this.world = world;
  }

  /** @param {(bitmap: ImageBitmap) => void} paint */
  paintWith(paint) {
    this.#paint = paint;
    const kept = this.#kept;
    this.#kept = null;
    if (kept) this.#show(kept);
  }

  /** Another track counts anew: what looks like a gap is none. */
  restartCount() {
    this.#lastSequence = null;
  }

  /** Asked for after a pause, or on a new socket: what is on the screen proves nothing until something new comes. */
  begin() {
    this.restartCount();
    this.#painted = 0;
    this.#ages = [];
  }

  /** @param {Frame} frame */
  receive(frame) {
    const now = this.world.now();
    this.#bits.add(frame.payload.byteLength * 8, now);
    this.#count(frame.sequence, now);
    this.#order += 1;
    if (this.#next) this.#dropped += 1;
    this.#next = { frame, order: this.#order };
    this.#decodeNext();
  }

  /** @param {number} now @returns {PictureStats} */
  stats(now) {
    const age = this.#age();
    return {
      id: this.id,
      sequence: this.#shown ? String(this.#shown.sequence) : '',
      age,
      calmAge: this.#ages.length > 0 ? median(this.#ages) : age,
      paintedAt: this.#paintedAt,
      painted: this.#painted,
      interval: this.#interval,
      fps: this.#frames.perSecond(now),
      bitrate: this.#bits.perSecond(now),
      missing: this.#missing,
      dropped: this.#dropped,
      broken: this.#broken,
    };
  }

  /** Lets go of everything that holds memory. */
  close() {
    this.#next = null;
    this.#paint = null;
    this.#kept?.close();
    this.#kept = null;
    this.#paintedOrder = Infinity;
  }

  /** @param {bigint} sequence @param {number} now */
  #count(sequence, now) {
    const last = this.#lastSequence;
    if (last !== null && sequence > last) {
      this.#missing += Number(sequence - last - 1n);
      this.#measureInterval(now - this.#lastArrival);
    }
    this.#lastSequence = sequence;
    this.#lastArrival = now;
  }

  /** A running mean, of which one long silence must not make a slow camera. @param {number} interval */
  #measureInterval(interval) {
    const known = this.#interval;
    this.#interval =
      known === 0
        ? Math.min(interval, LONGEST_FIRST_INTERVAL)
        : known * 0.9 + Math.min(interval, staleAfter(known)) * 0.1;
  }

  /** Age of the picture shown when it was painted; asked anew, since the first one may come before the clock. */
  #age() {
    const offset = this.world.offset();
    if (offset === null || !this.#shown) return null;
    return this.#paintedAt + offset - this.#shown.capturedAt / 1000;
  }

  #decodeNext() {
    const next = this.#next;
    if (!next || this.#inFlight >= MOST_IN_FLIGHT) return;
    this.#next = null;
    this.#inFlight += 1;
    this.world
      .decode(new Blob([next.frame.payload], { type: 'image/jpeg' }))
      .then((bitmap) => this.#decoded(bitmap, next.frame, next.order))
      .catch(() => {
        this.#broken += 1;
      })
      .finally(() => {
        this.#inFlight -= 1;
        this.#decodeNext();
      });
  }

  /** @param {ImageBitmap} bitmap @param {Frame} frame @param {number} order */
  #decoded(bitmap, frame, order) {
    if (order <= this.#paintedOrder) {
      this.#dropped += 1;
      bitmap.close();
      return;
    }
    this.#paintedOrder = order;
    const now = this.world.now();
    this.#shown = { sequence: frame.sequence, capturedAt: frame.capturedAt };
    this.#paintedAt = now;
    this.#painted += 1;
    const age = this.#age();
    if (age !== null) this.#ages = [...this.#ages.slice(1 - AGES), age];
    this.#frames.add(1, now);
    this.#show(bitmap);
  }

  /** @param {ImageBitmap} bitmap */
  #show(bitmap) {
    if (!this.#paint) {
      this.#kept?.close();
      this.#kept = bitmap;
      return;
    }
    const size = { width: bitmap.width, height: bitmap.height };
    this.#paint(bitmap);
    this.world.onPaint(size);
  }
}
