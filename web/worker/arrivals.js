// The receiving end of a subscription: counts its frames, groups H.264 into GOPs, and acknowledges frames in order.

import { AckTracker } from './acks.js';
import { holdsPicture } from './annex-b.js';
import { Gop } from './gop.js';
import { Rate } from './rate.js';
import { SequenceCount } from './sequence-count.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('../shared/protocol.js').Journey} Journey */

/**
 * A received frame.
 * @typedef {object} Arrival
 * @property {Frame} frame
 * @property {number} order position among all frames of this subscription
 * @property {number} arrivedAt milliseconds
 * @property {boolean} first after `watch` or `track`: the newest frame that the relay held, of any age
 * @property {Journey | null} journey its timestamps up to the relay, if they were requested
 * @property {Gop | null} gop `null` for a JPEG, or if the frame before it is missing
 * @property {number} index within its GOP
 */

/** @typedef {{ now: () => number, onAcknowledge?: (sequence: bigint) => void }} Env `onAcknowledge`: up to this frame all are done */

export class Arrivals {
  /** When the current track started, in milliseconds. */
  trackStartedAt = -Infinity;
  /** When the relay sent the first frame of the current track, in microseconds of its clock. */
  trackSentAt = 0;
  #received = 0;
  /** The GOP that the next delta belongs to. @type {Gop | null} */
  #gop = null;
  /** The journey of the next frame. @type {Journey | null} */
  #journey = null;
  #acks = new AckTracker();
  #count = new SequenceCount();
  #bits = new Rate();

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  /** @param {Frame} frame @returns {Arrival | null} `null` if it contains no picture; then it is acknowledged */
  receive(frame) {
    const now = this.env.now();
    this.#bits.add(frame.payload.byteLength * 8, now);
    const first = this.#count.isFresh;
    if (first) this.trackSentAt = frame.sentAt;
    this.#count.received(frame.sequence, now);
    this.#received += 1;
    this.#acks.received(this.#received, frame.sequence);
    const journey = this.#journey?.sequence === Number(frame.sequence) ? this.#journey : null;
    this.#journey = null;
    const arrival = { frame, order: this.#received, arrivedAt: now, first, journey, gop: null, index: 0 };
    if (frame.codec === 'jpeg') return arrival;
    if (!holdsPicture(frame.payload)) return this.#skip(arrival);
    this.#group(arrival);
    return arrival;
  }

  /** The frame is done: painted, dropped, or taken by its decoder. Repeated calls have no effect. @param {Arrival} arrival */
  acknowledge({ order }) {
    const reached = this.#acks.done(order);
    if (reached !== null) this.env.onAcknowledge?.(reached);
  }

  /** The relay announced how the next frame got to it. @param {Journey | null} journey */
  expect(journey) {
    this.#journey = journey;
  }

  /** Another track numbers its frames independently: the jump is no gap, and the next ack covers the frames before it. */
  restartTrack() {
    this.#count.restart();
    this.#acks.clear();
    this.trackStartedAt = this.env.now();
  }

  /** @param {number} now */
  stats(now) {
    return { interval: this.#count.interval, missing: this.#count.missing, bitrate: this.#bits.perSecond(now) };
  }

  close() {
    this.#gop = null;
  }

  /** A keyframe starts a GOP. A delta belongs to the GOP of the frame before it. @param {Arrival} arrival */
  #group(arrival) {
    if (arrival.frame.keyframe) this.#gop = new Gop();
    else if (!this.#gop?.isFollowedBy(arrival.frame)) this.#gop = null;
    this.#gop?.add(arrival);
  }

  /** No decoder needs a frame without a picture. If it is a keyframe, only another keyframe can follow. @param {Arrival} arrival */
  #skip(arrival) {
    if (this.#gop?.isFollowedBy(arrival.frame)) this.#gop.skip(arrival.frame);
    else this.#gop = null;
    this.acknowledge(arrival);
    return null;
  }
}
