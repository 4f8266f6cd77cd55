// One subscription's players, in the worker: decode (newest wins), paint, count.
// Every frame that comes is shown, accepted or given up, and said to be done with, once: as soon as it is painted, or a
// decoder has taken it that may hold it back.

import { median, START_UP } from '../shared/age.js';
import { holdsPicture } from './annex-b.js';
import { Decoders } from './decoders.js';
import { Freezes } from './freezes.js';
import { Gop } from './gop.js';
import { AckTracker } from './acks.js';
import { Rate } from './rate.js';
import { SequenceCount } from './sequence-count.js';
import { Workload } from './workload.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('../shared/protocol.js').Journey} Journey */
/** @typedef {import('../shared/protocol.js').Codec} Codec */
/** @typedef {{ width: number, height: number }} Size */
/** A decoded player. Whoever has it last closes it. @typedef {ImageBitmap | VideoFrame} Image */

/**
 * A frame that came.
 * @typedef {object} Arrival
 * @property {Frame} frame
 * @property {number} order the page's own count of this subscription's frames
 * @property {number} arrivedAt
 * @property {boolean} first after `watch` or `track`: the newest that the relay held, of whatever age
 * @property {Journey | null} journey
 * @property {Gop | null} gop that it belongs to; `null`: it stands alone, or its predecessor did not come
 * @property {number} index within its GOP
 */

/**
 * What makes players of one codec's frames. One that was newer came out first: `null`.
 * @typedef {object} Decoder
 * @property {(inFlight: number) => boolean} takes whether a frame should be given to it now
 * @property {(arrival: Arrival) => Arrival[] | null} path what it has to decode to show this one; `null`: it cannot
 * @property {(path: readonly Arrival[], alone: boolean, taken: () => void) => Promise<Image | null>} decode the last of
 *   them; `alone`: nothing will come after it; `taken`: it does not wait any longer, though it may be held back
 * @property {() => void} close
 */

/**
 * What is shown, and how it came there. Moments in milliseconds.
 * @typedef {{ journey: Journey, arrivedAt: number, held: number, decodedAt: number }} TimedFrame
 */

/**
 * What the page is reported of a subscription, four times a second.
 * @typedef {object} PlayerStats
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
 * @property {number} capturedAt of the frame on the screen, in microseconds of the relay's clock; 0: there is none
 * @property {number} rendition of the frame on the screen: index in the `track` message
 * @property {Codec | ''} codec of the frame on the screen
 * @property {boolean} h264Failed its H.264 could not be decoded, again and again
 * @property {number} busy the share of time in which something was being decoded, over the last two seconds
 * @property {import('./freezes.js').FreezeCount} freezes
 */

/**
 * @typedef {object} PlayerEnv times in milliseconds
 * @property {() => number | null} offset
 * @property {(size: Size) => void} onPaint
 * @property {(sequence: bigint) => void} [onAcknowledge] this and all frames before it are done with
 * @property {(way: TimedFrame) => void} [onTimed] a frame whose journey is known was painted
 * @property {(arrival: Arrival) => number} [timeUntilDue] for how long a decoded frame has to wait before it is painted; never for
 *   ever, whatever the clocks say
 */
/** @typedef {import('./decoders.js').Env & PlayerEnv} Env */

const AGES = 15;
/** Decoding is begun so much earlier than it usually takes, in share and in milliseconds, and at most so timeUntilDue. */
const LEAD_SHARE = 1.25;
const LEAD_MORE = 5;
const LONGEST_LEAD = 100;
/** A decoder that is so far behind does not catch up with this GOP. */
const TOO_FAR_BEHIND = 500;
/** Frames that come so much faster than they were taken are sent to catch up, and only the last of them is seen. */
const CATCHING_UP = 0.1;
/**
 * While a tile is starting, frames are acknowledged this soon at the latest: making decoders and loading the page take
 * hundreds of milliseconds, which a relay would take for a slow link. It is well above what decoding usually takes, and
 * below the 40 ms that a relay tolerates.
 */
const ACKNOWLEDGED_WITHIN = 30;
/** After another track began: so long what is older than the player on the screen only leads up to what is newer. */
const LEADS_UP = 1000;

/** A decoded frame that waits until it is due is looked at again this often, in milliseconds. */
const LOOK_AGAIN = 250;

export class Player {
  /** Where to paint; until there is one the newest player is kept. @type {((image: Image) => void) | null} */
  #paint = null;
  /** @type {Image | null} */
  #kept = null;
  /** What the next delta belongs to. @type {Gop | null} */
  #gop = null;
  /** Of it nothing more is shown: the decoder was too slow. @type {Gop | null} */
  #skipped = null;
  #trackSince = -Infinity;
  /** When it was asked for last. */
  #begunAt = -Infinity;
  /** When the relay sent the first frame of this track, in microseconds of its clock. */
  #trackSentAt = 0;
  #newestOrder = 0;
  /** Since when frames have been waiting for the decoder. @type {number | null} */
  #waitingSince = null;
  /** @type {{ arrival: Arrival, request: number, held: number } | null} */
  #next = null;
  #inFlight = 0;
  #arrivals = 0;
  #requests = 0;
  #paintedRequest = 0;
  #decodeTime = 0;
  #workload = new Workload();
  #paused = false;
  /** Nobody asks for it. */
  #suspended = false;
  /** Of the frame that comes next. @type {Journey | null} */
  #journey = null;
  #acks = new AckTracker();
  #freezes = new Freezes();
  #count = new SequenceCount();
  /** @type {Frame | null} */
  #shown = null;
  /** @type {number[]} */
  #ages = [];
  #paintedAt = 0;
  #painted = 0;
  #dropped = 0;
  #broken = 0;
  #frames = new Rate();
  #bits = new Rate();

  /** @param {number} id @param {Env} env */
  constructor(id, env) {
    this.id = id;
    this.env = env;
    this.decoders = new Decoders(env, () => this.#decodeNext());
  }

  /** @param {(image: Image) => void} paint */
  paintWith(paint) {
    this.#paint = paint;
    const kept = this.#kept;
    this.#kept = null;
    if (kept) this.#show(kept);
  }

  /** Another track counts anew: what looks like a gap is none, and what came before it is acknowledged with what follows. */
  restartTrack() {
    this.#count.restart();
    this.#acks.clear();
    this.#trackSince = this.env.now();
  }

  /** Asked for after a pause, or on a new socket: what is on the screen proves nothing until something new comes. */
  start() {
    this.#suspended = false;
    this.#begunAt = this.env.now();
    this.restartTrack();
    this.#journey = null;
    this.#painted = 0;
    this.expectGap();
  }

  /** What was shown until now says nothing about what comes: neither its ages nor the gap. */
  expectGap() {
    this.#ages = [];
    this.#freezes.expectGap();
  }

  /** Holds what is on the screen; what is still being decoded comes too late. @param {boolean} paused */
  setPaused(paused) {
    this.#paused = paused;
    this.expectGap();
    if (this.#suspended) this.suspend();
    // The first player of all is let through: there is nothing yet that could be held.
    if (!this.#shown) return;
    if (!paused) this.#painted = 0;
    if (this.#next) this.drop(this.#next.arrival);
    this.#next = this.#waitingSince = null;
    this.#paintedRequest = this.#requests;
  }

  /** The journey of the frame that comes next. @param {Journey} journey */
  expect(journey) {
    this.#journey = journey;
  }

  /**
   * A frame has come: it is counted, and somebody has to `show`, `accept` or `drop` it.
   * @param {Frame} frame @returns {Arrival | null} `null`: there is no player in it, and it is done with
   */
  receive(frame) {
    const now = this.env.now();
    this.#bits.add(frame.payload.byteLength * 8, now);
    const first = this.#count.isFresh;
    if (first) this.#trackSentAt = frame.sentAt;
    this.#count.received(frame.sequence, now);
    this.#arrivals += 1;
    this.#acks.received(this.#arrivals, frame.sequence);
    const journey = this.#journey?.sequence === Number(frame.sequence) ? this.#journey : null;
    this.#journey = null;
    const arrival = { frame, order: this.#arrivals, arrivedAt: now, first, journey, gop: null, index: 0 };
    if (frame.codec === 'h264') {
      if (!holdsPicture(frame.payload)) return this.#skip(arrival);
      this.#group(arrival);
    }
    if (this.#isStarting(now)) this.env.after?.(ACKNOWLEDGED_WITHIN, () => this.acknowledge(arrival));
    return arrival;
  }

  /** As soon as it is decoded. @param {Arrival} arrival @param {number} [held] for how long it waited on purpose */
  show(arrival, held = 0) {
    if (this.#suspended && !this.#paused) {
      this.acknowledge(arrival);
      return;
    }
    if (!this.#paused && (arrival.order < this.#newestOrder || (arrival.gop && arrival.gop === this.#skipped))) {
      this.drop(arrival);
      return;
    }
    this.#newestOrder = Math.max(arrival.order, this.#newestOrder);
    if (this.#next) this.drop(this.#next.arrival);
    this.#waitingSince ??= this.env.now();
    this.#requests += 1;
    this.#next = { arrival, request: this.#requests, held };
    this.#decodeNext();
  }

  /** It waits because somebody wants it to, not because this machine is slow. @param {Arrival} arrival */
  acknowledge({ order }) {
    const reached = this.#acks.done(order);
    if (reached !== null) this.env.onAcknowledge?.(reached);
  }

  /** It will not be shown. @param {Arrival} arrival */
  drop(arrival) {
    this.#countDropped(arrival);
    this.acknowledge(arrival);
  }

  /** Whether frames wait for a decoder. */
  get busy() {
    return this.#next !== null;
  }

  /** How long before it is due a frame should go to the decoder, in milliseconds. */
  get lead() {
    return Math.min(LONGEST_LEAD, LEAD_SHARE * this.#decodeTime + LEAD_MORE);
  }

  /** When the player on the screen was taken, in microseconds of the relay's clock; `null`: there is none. */
  get capturedAt() {
    return this.#shown?.capturedAt ?? null;
  }

  /** What is on the screen, encoded. */
  get shown() {
    return this.#shown;
  }

  /** @param {number} now @returns {PlayerStats} */
  stats(now) {
    const age = this.#age();
    return {
      id: this.id,
      sequence: this.#shown ? String(this.#shown.sequence) : '',
      age,
      calmAge: this.#ages.length > 0 ? median(this.#ages) : age,
      paintedAt: this.#paintedAt,
      painted: this.#painted,
      interval: this.#count.interval,
      fps: this.#frames.perSecond(now),
      bitrate: this.#bits.perSecond(now),
      missing: this.#count.missing,
      dropped: this.#dropped,
      broken: this.#broken,
      capturedAt: this.#shown?.capturedAt ?? 0,
      rendition: this.#shown?.rendition ?? 0,
      codec: this.#shown?.codec ?? '',
      h264Failed: this.decoders.h264Failed,
      busy: this.#workload.share(now),
      freezes: this.#freezes.counted(now),
    };
  }

  /**
   * No longer asked for: decoders hold memory, and some machines have few. What is paused can be stepped through all the
   * same, and rests when it goes on.
   */
  suspend() {
    this.#suspended = true;
    if (this.#paused) return;
    if (this.#next) this.acknowledge(this.#next.arrival);
    this.#next = this.#waitingSince = null;
    this.decoders.close();
  }

  /** Lets go of everything that holds memory. */
  close() {
    this.#next = null;
    this.#paint = null;
    this.#kept?.close();
    this.#kept = null;
    this.#paintedRequest = Infinity;
    this.#gop = null;
    this.decoders.close();
  }

  /** Whether what is late now says nothing about this machine. @param {number} now */
  #isStarting(now) {
    return now - this.#begunAt < START_UP;
  }

  /** A keyframe begins a GOP; a delta belongs to it where its predecessor does. @param {Arrival} arrival */
  #group(arrival) {
    if (arrival.frame.keyframe) this.#gop = new Gop();
    else if (!this.#gop?.isFollowedBy(arrival.frame)) this.#gop = null;
    this.#gop?.add(arrival);
  }

  /** What is no player is nothing to a decoder; but after a keyframe that is none, only another can follow. @param {Arrival} arrival */
  #skip(arrival) {
    if (this.#gop?.isFollowedBy(arrival.frame)) this.#gop.skip(arrival.frame);
    else this.#gop = null;
    this.acknowledge(arrival);
    return null;
  }

  /** What is sent only to lead up to the first live player is nothing that anybody misses. @param {Arrival} arrival */
  #countDropped({ gop, frame }) {
    if (!gop || frame.capturedAt >= this.#trackSentAt) this.#dropped += 1;
  }

  /** Age of the player shown when it was painted; asked anew, since the first one may come before the clock. */
  #age() {
    const offset = this.env.offset();
    if (offset === null || !this.#shown) return null;
    return this.#paintedAt + offset - this.#shown.capturedAt / 1000;
  }

  #decodeNext() {
    const next = this.#next;
    if (!next) return;
    const decoder = this.decoders.of(next.arrival.frame.codec);
    if (decoder && !decoder.takes(this.#inFlight)) return;
    this.#next = null;
    const path = decoder?.path(next.arrival) ?? null;
    const waited = this.env.now() - (this.#waitingSince ?? Infinity);
    this.#waitingSince = null;
    if (!decoder || !path) this.#miss(next.arrival);
    else if (this.#isTooFarBehind(path, waited)) this.#skipGop(next.arrival);
    else this.#begin(decoder, path, next);
  }

  /** @param {Decoder} decoder @param {Arrival[]} path @param {{ arrival: Arrival, request: number, held: number }} next */
  #begin(decoder, path, next) {
    this.#inFlight += 1;
    void this.#decode(decoder, path, next).finally(() => {
      this.#inFlight -= 1;
      this.acknowledge(next.arrival);
      this.#decodeNext();
    });
  }

  /** A decoder that never has time would show ever older players until its GOP ends. @param {Arrival[]} path @param {number} waited */
  #isTooFarBehind(path, waited) {
    return !this.#paused && waited > TOO_FAR_BEHIND && path.length > 1 && path[0]?.frame.keyframe === false;
  }

  /** Until the next keyframe nothing is shown. @param {Arrival} arrival */
  #skipGop(arrival) {
    this.#skipped = arrival.gop;
    this.drop(arrival);
  }

  /** It cannot be shown, nor what depends on it. @param {Arrival} arrival */
  #miss(arrival) {
    this.drop(arrival);
    if (!this.#paused && arrival.frame.codec === 'h264') this.decoders.needKeyframe();
  }

  /** @param {Decoder} decoder @param {Arrival[]} path @param {{ arrival: Arrival, request: number, held: number }} next */
  async #decode(decoder, path, { arrival, request, held }) {
    const { arrivedAt, journey } = arrival;
    const startedAt = this.env.now();
    // A camera may make a decoder hold back more players than a relay sends unacknowledged.
    const taken = () => this.acknowledge(arrival);
    try {
      this.#workload.begin(startedAt);
      const image = await decoder.decode(path, this.#paused, taken).finally(() => this.#workload.end(this.env.now()));
      const decodedAt = this.env.now();
      if (path.length === 1) this.#measureDecoding(decodedAt - startedAt);
      const timeUntilDue = await this.#untilDue(arrival);
      if (!this.#decoded(image, arrival, request, held > 0 || timeUntilDue) || !journey) return;
      const waited = this.env.now() - decodedAt;
      this.env.onTimed?.({ journey, arrivedAt, held: held + (timeUntilDue ? waited : 0), decodedAt: decodedAt - held });
    } catch {
      this.#broken += 1;
    }
  }

  /**
   * Waits until a decoded frame is due. It is looked at again and again, because the relay's clock may turn out to be
   * another one. @param {Arrival} arrival @returns {Promise<boolean>} whether it had to wait
   */
  async #untilDue(arrival) {
    const { timeUntilDue, after } = this.env;
    if (!timeUntilDue || !after) return false;
    let waited = false;
    for (let wait = timeUntilDue(arrival); wait > 0; wait = timeUntilDue(arrival)) {
      waited = true;
      const time = Math.min(Math.max(1, wait), LOOK_AGAIN);
      await new Promise((/** @type {(value: void) => void} */ resolve) => void after(time, resolve));
    }
    return waited;
  }

  /** A running mean. @param {number} time */
  #measureDecoding(time) {
    this.#decodeTime = this.#decodeTime === 0 ? time : this.#decodeTime * 0.9 + time * 0.1;
  }

  /**
   * @param {Image | null} image @param {Arrival} arrival @param {number} request @param {boolean} held
   * @returns {boolean} whether it was painted
   */
  #decoded(image, arrival, request, held) {
    const late = request <= this.#paintedRequest;
    if (!image || late || (!held && this.#leadsUp(arrival, request))) {
      this.#countDropped(arrival);
      image?.close();
      return false;
    }
    this.#paintedRequest = request;
    this.#painted += 1;
    this.#note(arrival.frame);
    this.#show(image);
    return true;
  }

  /** Whether a player is decoded only for what comes after it. @param {Arrival} arrival @param {number} request */
  #leadsUp(arrival, request) {
    if (this.#paused || !arrival.gop) return false;
    if (this.#isOlder(arrival.frame) && arrival.arrivedAt - this.#trackSince < LEADS_UP) return true;
    const after = this.#requests > request ? arrival.gop.after(arrival) : null;
    if (!after) return false;
    const taken = (after.frame.capturedAt - arrival.frame.capturedAt) / 1000;
    return after.arrivedAt - arrival.arrivedAt < CATCHING_UP * taken;
  }

  /** Whether a frame shows nothing newer than what is on the screen. @param {Frame} frame */
  #isOlder({ capturedAt }) {
    return this.#shown !== null && capturedAt <= this.#shown.capturedAt;
  }

  /** This frame is on the screen from now on. @param {Frame} frame */
  #note(frame) {
    const now = this.env.now();
    if (this.#shown && this.#shown.codec !== frame.codec && !this.#paused) this.decoders.release(this.#shown.codec);
    this.#shown = frame;
    this.#paintedAt = now;
    if (!this.#paused) this.#freezes.shown(now, this.#isStarting(now));
    const age = this.#age();
    if (age !== null) this.#ages = [...this.#ages.slice(1 - AGES), age];
    this.#frames.add(1, now);
  }

  /** @param {Image} image */
  #show(image) {
    if (!this.#paint) {
      this.#kept?.close();
      this.#kept = image;
      return;
    }
    const size = sizeOf(image);
    this.#paint(image);
    this.env.onPaint(size);
  }
}

/** @param {Image} image @returns {Size} */
export function sizeOf(image) {
  if ('displayWidth' in image) return { width: image.displayWidth, height: image.displayHeight };
  return { width: image.width, height: image.height };
}
