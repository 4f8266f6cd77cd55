// Decodes the frames of a subscription: the newest frame wins while the decoder is busy. An H.264 frame is decoded together
// with the frames that it needs.

import { Workload } from './workload.js';

/** @typedef {import('../shared/protocol.js').Journey} Journey */
/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./decoders.js').Decoder} Decoder */
/** @typedef {import('./gop.js').Gop} Gop */
/** @typedef {import('./image.js').Image} Image */
/** A frame to decode. `held`: how long it was held back for sync. @typedef {{ arrival: Arrival, request: number, held: number }} Request */
/** When a displayed frame arrived and was decoded, in milliseconds. @typedef {{ relayed: Journey, arrivedAt: number, held: number, decodedAt: number }} DecodedJourney */

/**
 * @typedef {object} Env times in milliseconds
 * @property {() => number} now
 * @property {(time: number, act: () => void) => () => void} [after] returns a function that cancels it
 * @property {(arrival: Arrival) => number} [timeUntilDue] wait of a decoded frame before it is painted; bounded,
 *   whatever the clocks say
 * @property {(frame: DecodedJourney) => void} [onJourney] a frame with a known journey was painted
 */
/**
 * @typedef {object} Owner
 * @property {(arrival: Arrival) => Decoder | null} decoderFor
 * @property {(arrival: Arrival) => void} acknowledge
 * @property {(arrival: Arrival) => void} drop counts it as dropped, and acknowledges it
 * @property {(arrival: Arrival) => void} countDropped
 * @property {() => void} needKeyframe
 * @property {(arrival: Arrival) => boolean} isOlder true if a new track repeats an older frame than the displayed one
 * @property {(image: Image, arrival: Arrival) => void} present
 */

/** Decoding starts this much earlier than it usually takes, as a factor and in milliseconds, and at most this early. */
const LEAD_FACTOR = 1.25;
const LEAD_MARGIN = 5;
const MAX_LEAD = 100;
/** A decoder this far behind, in milliseconds, does not catch up within the GOP. */
const TOO_FAR_BEHIND = 500;
/** Frames that arrive in less than this share of the time in which they were captured are catch-up frames: only the last is shown. */
const CATCH_UP_SHARE = 0.1;
/** A waiting frame is checked again at this interval, in milliseconds, because the measured clock may change. */
const RECHECK_EVERY = 250;

export class DecodeQueue {
  paused = false;
  /** @type {Request | null} */
  #next = null;
  /** Since when frames have been waiting for the decoder. @type {number | null} */
  #waitingSince = null;
  #inFlight = 0;
  #requests = 0;
  #paintedRequest = 0;
  #newestOrder = 0;
  /** The rest of this GOP is dropped, because the decoder was too slow. @type {Gop | null} */
  #skipped = null;
  /** Running mean, in milliseconds. */
  #decodeTime = 0;
  #workload = new Workload();
  #broken = 0;

  /** @param {Env} env @param {Owner} owner */
  constructor(env, owner) {
    this.env = env;
    this.owner = owner;
  }

  /** True if a frame waits for the decoder. */
  get busy() {
    return this.#next !== null;
  }

  /** Time before it is due at which a frame should go to the decoder, in milliseconds. */
  get lead() {
    return Math.min(MAX_LEAD, LEAD_FACTOR * this.#decodeTime + LEAD_MARGIN);
  }

  /** Decodes a frame as soon as the decoder takes it, unless a newer one comes first. @param {Arrival} arrival @param {number} held */
  add(arrival, held) {
    if (!this.paused && (arrival.order < this.#newestOrder || (arrival.gop && arrival.gop === this.#skipped))) {
      this.owner.drop(arrival);
      return;
    }
    this.#newestOrder = Math.max(arrival.order, this.#newestOrder);
    if (this.#next) this.owner.drop(this.#next.arrival);
    this.#waitingSince ??= this.env.now();
    this.#requests += 1;
    this.#next = { arrival, request: this.#requests, held };
    this.decodeNext();
  }

  /** Gives the next frame to its decoder, if that takes one. */
  decodeNext() {
    const next = this.#next;
    if (!next) return;
    const decoder = this.owner.decoderFor(next.arrival);
    if (decoder && !decoder.takes(this.#inFlight)) return;
    this.#next = null;
    const path = decoder?.path(next.arrival) ?? null;
    const waited = this.env.now() - (this.#waitingSince ?? Infinity);
    this.#waitingSince = null;
    if (!decoder || !path) this.#miss(next.arrival);
    else if (this.#isTooFarBehind(path, waited)) this.#skipGop(next.arrival);
    else this.#start(decoder, path, next);
  }

  /** Removes the frame that waits. @returns {Arrival | null} */
  clear() {
    const next = this.#next;
    this.#next = this.#waitingSince = null;
    return next?.arrival ?? null;
  }

  /** Images that are still being decoded come too late. */
  discardInFlight() {
    this.#paintedRequest = this.#requests;
  }

  close() {
    this.#next = null;
    this.#paintedRequest = Infinity;
  }

  /** @param {number} now */
  stats(now) {
    return { broken: this.#broken, busy: this.#workload.share(now) };
  }

  /** @param {Decoder} decoder @param {Arrival[]} path @param {Request} next */
  #start(decoder, path, next) {
    this.#inFlight += 1;
    void this.#decode(decoder, path, next).finally(() => {
      this.#inFlight -= 1;
      this.owner.acknowledge(next.arrival);
      this.decodeNext();
    });
  }

  /** A decoder that is always late would show ever older pictures until its GOP ends. @param {Arrival[]} path @param {number} waited */
  #isTooFarBehind(path, waited) {
    return !this.paused && waited > TOO_FAR_BEHIND && path.length > 1 && path[0]?.frame.keyframe === false;
  }

  /** Shows nothing until the next keyframe. @param {Arrival} arrival */
  #skipGop(arrival) {
    this.#skipped = arrival.gop;
    this.owner.drop(arrival);
  }

  /** Neither this frame nor any that needs it can be decoded. @param {Arrival} arrival */
  #miss(arrival) {
    this.owner.drop(arrival);
    if (!this.paused && arrival.frame.codec === 'h264') this.owner.needKeyframe();
  }

  /** @param {Decoder} decoder @param {Arrival[]} path @param {Request} next */
  async #decode(decoder, path, { arrival, request, held }) {
    const { arrivedAt, journey } = arrival;
    const startedAt = this.env.now();
    // A camera may make a decoder hold back more frames than a relay sends without acknowledgement.
    const taken = () => this.owner.acknowledge(arrival);
    try {
      this.#workload.begin(startedAt);
      const image = await decoder.decode(path, this.paused, taken).finally(() => this.#workload.end(this.env.now()));
      const decodedAt = this.env.now();
      if (path.length === 1) this.#measure(decodedAt - startedAt);
      const early = await this.#untilDue(arrival);
      if (!this.#finish(image, arrival, request, held > 0 || early) || !journey) return;
      const waited = this.env.now() - decodedAt;
      this.env.onJourney?.({ relayed: journey, arrivedAt, held: held + (early ? waited : 0), decodedAt: decodedAt - held });
    } catch {
      this.#broken += 1;
    }
  }

  /**
   * Waits until a decoded frame is due. Checks repeatedly, because the measured relay clock may change.
   * @param {Arrival} arrival @returns {Promise<boolean>} true if it had to wait
   */
  async #untilDue(arrival) {
    const { timeUntilDue, after } = this.env;
    if (!timeUntilDue || !after) return false;
    let waited = false;
    for (let wait = timeUntilDue(arrival); wait > 0; wait = timeUntilDue(arrival)) {
      waited = true;
      const time = Math.min(Math.max(1, wait), RECHECK_EVERY);
      await new Promise((/** @type {(value: void) => void} */ resolve) => void after(time, resolve));
    }
    return waited;
  }

  /** @param {number} time */
  #measure(time) {
    this.#decodeTime = this.#decodeTime === 0 ? time : this.#decodeTime * 0.9 + time * 0.1;
  }

  /**
   * @param {Image | null} image @param {Arrival} arrival @param {number} request @param {boolean} held
   * @returns {boolean} true if it was painted
   */
  #finish(image, arrival, request, held) {
    const late = request <= this.#paintedRequest;
    if (!image || late || (!held && this.#isCatchUp(arrival, request))) {
      this.owner.countDropped(arrival);
      image?.close();
      return false;
    }
    this.#paintedRequest = request;
    this.owner.present(image, arrival);
    return true;
  }

  /** True if a frame is decoded only for the frames after it. @param {Arrival} arrival @param {number} request */
  #isCatchUp(arrival, request) {
    if (this.paused || !arrival.gop) return false;
    if (this.owner.isOlder(arrival)) return true;
    const next = this.#requests > request ? arrival.gop.after(arrival) : null;
    if (!next) return false;
    const captured = (next.frame.capturedAt - arrival.frame.capturedAt) / 1000;
    return next.arrivedAt - arrival.arrivedAt < CATCH_UP_SHARE * captured;
  }
}
