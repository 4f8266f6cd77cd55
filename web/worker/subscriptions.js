// Subscriptions of the page: one `watch` per stream, with the size and codec to request. Sends all of them again on a new
// socket.

import { likelyLimits } from '../shared/sizes.js';

/** @typedef {import('../shared/messages.js').StreamRequest} StreamRequest */
/** @typedef {import('../shared/messages.js').CodecChoice} CodecChoice */
/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/sizes.js').Limits} Limits */

/** Streams requested before the page has placed its tiles. More of them would cost a phone too much. */
const MAX_EARLY = 4;
/** Ids of the worker's own subscriptions; the page counts from 1. */
const FIRST_EARLY_ID = 2 ** 31;

/**
 * @typedef {object} Env
 * @property {(message: object) => void} send to the relay
 * @property {() => number} halvings number of times that width and height are halved for a slow link
 * @property {(id: number) => boolean} isPainted true if the tile has shown a picture
 * @property {(id: number) => boolean} h264Failed true if this tile's H.264 decoder failed repeatedly
 * @property {(id: number) => void} onStart a subscription starts that did not exist before
 * @property {(id: number, stream: string, limits: Limits) => void} onEarly the worker started a subscription by itself
 */

export class Subscriptions {
  /** The codec that the viewer chose. @type {CodecChoice} */
  #codec = 'auto';
  #supportsH264 = false;
  /** Streams that have an H.264 track. @type {ReadonlySet<string>} */
  #h264Streams = new Set();
  #listReceived = false;
  /** @type {Map<number, StreamRequest>} */
  #requests = new Map();

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  get size() {
    return this.#requests.size;
  }

  get ids() {
    return this.#requests.keys();
  }

  /** @param {number} id */
  has(id) {
    return this.#requests.has(id);
  }

  /** @param {number} id @param {StreamRequest} request @param {boolean} [again] sends it even if it did not change */
  start(id, request, again = false) {
    const before = this.#requests.get(id);
    if (!before) this.env.onStart(id);
    this.#requests.set(id, request);
    // The page repeats the request that the worker made early. Sending it again would restart the subscription.
    if (before && !again && isSame(before, request)) return;
    this.#watch(id, request);
  }

  /** @param {number} id */
  stop(id) {
    if (this.#requests.delete(id)) this.env.send({ type: 'unwatch', id });
  }

  /** Sends one request again, because the codec to request has changed. @param {number} id */
  renew(id) {
    const request = this.#requests.get(id);
    if (request) this.#watch(id, request);
  }

  /** Sends all requests again. */
  renewAll() {
    for (const [id, request] of this.#requests) this.#watch(id, request);
  }

  /** @param {CodecChoice} codec */
  chooseCodec(codec) {
    this.#codec = codec;
  }

  /** This browser decodes H.264. Requests for JPEG that would stay the same are not sent again: the relay would restart them. */
  enableH264() {
    this.#supportsH264 = true;
    for (const [id, request] of this.#requests) if ('codec' in this.#codecFor(id, request.stream)) this.#watch(id, request);
  }

  /** True if this tile may show H.264. @param {number} id */
  mayUseH264(id) {
    return this.#choiceFor(id) !== 'jpeg' && this.#supportsH264 && !this.env.h264Failed(id);
  }

  /** A tile shows its first picture, a JPEG: requests H.264 if the stream has it. @param {number} id */
  firstPainted(id) {
    const request = this.#requests.get(id);
    if (request && this.#choiceFor(id) === 'auto' && this.#h264Streams.has(request.stream) && this.mayUseH264(id)) this.#watch(id, request);
  }

  /**
   * Notes which streams have H.264. At the first list, requests the first streams while the page still creates its tiles.
   * @param {readonly StreamInfo[]} streams @param {Limits | null} screen size of the wall's window; `null` if there is no wall
   */
  streamsListed(streams, screen) {
    const withH264 = streams.filter(({ tracks }) => tracks.some(({ codec }) => codec === 'h264'));
    this.#h264Streams = new Set(withH264.map(({ name }) => name));
    if (screen && !this.#listReceived && this.#requests.size === 0) this.#startEarly(streams, likelyLimits(screen, streams.length));
    this.#listReceived = true;
  }

  /** @param {readonly StreamInfo[]} streams @param {Limits} limits */
  #startEarly(streams, limits) {
    const expected = streams.filter(({ gone }) => !gone);
    expected.slice(0, MAX_EARLY).forEach(({ name }, index) => {
      this.start(FIRST_EARLY_ID + index, { stream: name, ...limits });
      this.env.onEarly(FIRST_EARLY_ID + index, name, limits);
    });
  }

  /** Returns the viewer's choice for one subscription. @param {number} id */
  #choiceFor(id) {
    return this.#requests.get(id)?.codec ?? this.#codec;
  }

  /** @param {number} id @param {StreamRequest} request */
  #watch(id, { stream, maxWidth, maxHeight }) {
    const limits = { max_width: this.#halved(maxWidth), max_height: this.#halved(maxHeight) };
    this.env.send({ type: 'watch', id, stream, rendition: 'auto', ack: true, ...limits, ...this.#codecFor(id, stream) });
  }

  /** Scales a requested length down for a slow link. @param {number} length */
  #halved(length) {
    return Math.max(1, Math.ceil(length / 2 ** this.env.halvings()));
  }

  /**
   * Without a codec a relay sends JPEG. A tile's first picture is a JPEG too: it appears a tenth of a second sooner, the
   * time a browser needs to create an H.264 decoder.
   * @param {number} id @param {string} stream
   */
  #codecFor(id, stream) {
    const choice = this.#choiceFor(id);
    if (!this.mayUseH264(id) || (choice === 'auto' && !this.env.isPainted(id))) return {};
    // A stream without H.264 must not leave its tile dark.
    return { codec: choice === 'h264' && this.#h264Streams.has(stream) ? 'h264' : 'auto' };
  }
}

/** @param {StreamRequest} a @param {StreamRequest} b */
function isSame(a, b) {
  return a.stream === b.stream && a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight && a.codec === b.codec;
}
