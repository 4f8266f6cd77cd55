// Plays one subscription: arrivals → decode queue → display. Every received frame is shown, held back or dropped, and is
// acknowledged once: when it is painted or dropped, or when a decoder that may hold it back has taken it.

import { START_UP } from '../shared/age.js';
import { Arrivals } from './arrivals.js';
import { DecodeQueue } from './decode-queue.js';
import { Decoders } from './decoders.js';
import { Display } from './display.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./image.js').Image} Image */
/** @typedef {import('./arrivals.js').Env & import('./decode-queue.js').Env & import('./decoders.js').Env & import('./display.js').Env} Env */

/**
 * While a tile starts, frames are acknowledged within this time, in milliseconds. Creating decoders and loading the page take
 * hundreds of milliseconds, which a relay would mistake for a slow link. It is well above the usual decoding time, and below
 * the 40 ms that a relay tolerates.
 */
const STARTING_ACK = 30;
/** For this long after a track started, in milliseconds, frames older than the displayed one only lead up to newer ones. */
const TRACK_CATCH_UP = 1000;

export class Player {
  #arrivals;
  #queue;
  #display;
  /** The time of the last request for the stream. */
  #startedAt = -Infinity;
  /** True if the stream is not requested. */
  #suspended = false;
  #dropped = 0;

  /** @param {number} id @param {Env} env times in milliseconds */
  constructor(id, env) {
    this.id = id;
    this.env = env;
    this.decoders = new Decoders(env, () => this.#queue.decodeNext());
    this.#arrivals = new Arrivals(env);
    this.#display = new Display(env);
    this.#queue = new DecodeQueue(env, {
      decoderFor: ({ frame }) => this.decoders.of(frame.codec),
      acknowledge: (arrival) => this.acknowledge(arrival),
      drop: (arrival) => this.drop(arrival),
      countDropped: (arrival) => this.#countDropped(arrival),
      needKeyframe: () => this.decoders.needKeyframe(),
      isOlder: (arrival) => this.#isOlder(arrival),
      present: (image, arrival) => this.#present(image, arrival.frame),
    });
  }

  /** @param {(image: Image) => void} paint */
  paintWith(paint) {
    this.#display.paintWith(paint);
  }

  /** The stream is requested after a pause, or on a new socket: only a new frame proves that it is live. */
  start() {
    this.#suspended = false;
    this.#startedAt = this.env.now();
    this.restartTrack();
    this.#arrivals.expect(null);
    this.#display.restart();
    this.expectGap();
  }

  /** Another track starts. */
  restartTrack() {
    this.#arrivals.restartTrack();
  }

  /** The next frame follows a gap that is no freeze. */
  expectGap() {
    this.#display.expectGap();
  }

  /** Keeps the displayed picture, and discards images that are still being decoded. @param {boolean} paused */
  setPaused(paused) {
    this.#queue.paused = paused;
    this.expectGap();
    if (this.#suspended) this.suspend();
    // A tile without a picture shows its first one even while paused.
    if (!this.#display.frame) return;
    if (!paused) this.#display.restart();
    const waiting = this.#queue.clear();
    if (waiting) this.drop(waiting);
    this.#queue.discardInFlight();
  }

  /** The relay announced how the next frame got to it. @param {import('../shared/protocol.js').Journey} journey */
  expect(journey) {
    this.#arrivals.expect(journey);
  }

  /**
   * Counts a frame. The caller must then `show`, `acknowledge` or `drop` it.
   * @param {Frame} frame @returns {Arrival | null} `null` if it contains no picture; then it is done
   */
  receive(frame) {
    const arrival = this.#arrivals.receive(frame);
    if (arrival && this.#isStarting) this.env.after?.(STARTING_ACK, () => this.acknowledge(arrival));
    return arrival;
  }

  /** Shows a frame as soon as it is decoded. @param {Arrival} arrival @param {number} [held] time held back for sync */
  show(arrival, held = 0) {
    if (this.#suspended && !this.#queue.paused) this.acknowledge(arrival);
    else this.#queue.add(arrival, held);
  }

  /** Acknowledges a frame, also one that is held back: that does not mean that this machine is slow. @param {Arrival} arrival */
  acknowledge(arrival) {
    this.#arrivals.acknowledge(arrival);
  }

  /** The frame will not be shown. @param {Arrival} arrival */
  drop(arrival) {
    this.#countDropped(arrival);
    this.acknowledge(arrival);
  }

  /** True if a frame waits for the decoder. */
  get busy() {
    return this.#queue.busy;
  }

  /** Time before it is due at which a frame should go to the decoder, in milliseconds. */
  get lead() {
    return this.#queue.lead;
  }

  /** When the displayed frame was captured, in microseconds of the relay's clock; `null` if there is none. */
  get capturedAt() {
    return this.#display.frame?.capturedAt ?? null;
  }

  /** The displayed frame, encoded. */
  get shown() {
    return this.#display.frame;
  }

  /** @param {number} now @returns {import('../shared/messages.js').PlayerStats} */
  stats(now) {
    const { id } = this;
    const counted = { dropped: this.#dropped, h264Failed: this.decoders.h264Failed };
    return { id, ...this.#display.stats(now), ...this.#arrivals.stats(now), ...this.#queue.stats(now), ...counted };
  }

  /**
   * The stream is not requested any more. Closes the decoders: they hold memory, and some machines have few. A paused tile
   * keeps them, so that it can be stepped through, and is suspended when playback resumes.
   */
  suspend() {
    this.#suspended = true;
    if (this.#queue.paused) return;
    const waiting = this.#queue.clear();
    if (waiting) this.acknowledge(waiting);
    this.decoders.close();
  }

  /** Releases all memory. */
  close() {
    this.#queue.close();
    this.#display.close();
    this.#arrivals.close();
    this.decoders.close();
  }

  /** True if the tile is starting, so that delays say nothing about this machine. */
  get #isStarting() {
    return this.env.now() - this.#startedAt < START_UP;
  }

  /** Frames that only lead up to the first live frame are not missed when they are dropped. @param {Arrival} arrival */
  #countDropped({ gop, frame }) {
    if (!gop || frame.capturedAt >= this.#arrivals.trackSentAt) this.#dropped += 1;
  }

  /** True if a track that started a moment ago sends a frame that is no newer than the displayed one. @param {Arrival} arrival */
  #isOlder({ frame, arrivedAt }) {
    const displayed = this.#display.frame;
    if (displayed === null || frame.capturedAt > displayed.capturedAt) return false;
    return arrivedAt - this.#arrivals.trackStartedAt < TRACK_CATCH_UP;
  }

  /** @param {Image} image @param {Frame} frame */
  #present(image, frame) {
    const { paused } = this.#queue;
    const before = this.#display.frame;
    if (before && before.codec !== frame.codec && !paused) this.decoders.release(before.codec);
    this.#display.show(image, frame, { paused, starting: this.#isStarting });
  }
}
