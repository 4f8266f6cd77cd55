// The element <fanlight-view>: shows one stream of a relay. It requests the stream only while people can see it.

import { limitsOf, limitsToCover } from '../shared/sizes.js';
import { isStreamName } from '../shared/protocol.js';
import { connectionText, isRefused } from './connection-text.js';
import { Frame } from './frame.js';

/** @typedef {import('./embedded-stream.js').EmbeddedStream} EmbeddedStream */
/** @typedef {import('./relay.js').Relay} Relay */
/** @typedef {import('./relays.js').Relays} Relays */
/** @typedef {import('../page/tile-status.js').TileState | 'refused'} ViewState `refused`: the relay refuses the page, or an attribute is not valid */

const IDENTITY = ['src', 'stream', 'token', 'link'];
const LOOKS = ['codec', 'fit', 'controls', 'age'];
const FITS = ['contain', 'cover', 'fill'];

export class FanlightView extends HTMLElement {
  static observedAttributes = [...IDENTITY, ...LOOKS];

  #relays;
  #frame;
  /** @type {Relay | null} */
  #relay = null;
  /** @type {EmbeddedStream | null} */
  #stream = null;
  /** The mistake in the attributes; empty if there is none. */
  #mistake = '';
  #seen = false;
  /** @type {import('./sight.js').Size} */
  #box = { width: 0, height: 0 };
  #paused = false;
  /** True if a change of attributes or of the place in the page waits for the end of the current task. */
  #isPending = false;
  #state = /** @type {ViewState} */ ('waiting');
  #reason = '';
  /** @type {number | null} */
  #age = null;

  /** @param {Relays} relays */
  constructor(relays) {
    super();
    this.#relays = relays;
    this.#frame = new Frame(this.attachShadow({ mode: 'open' }), relays.sheet, {
      togglePause: () => (this.#paused ? this.play() : this.pause()),
      toggleFullScreen: () => this.#toggleFullScreen(),
    });
  }

  /** The state of the picture: `live`, or what is wrong. @returns {ViewState} */
  get state() {
    return this.#state;
  }

  /** Why the picture is not live, for people; may be empty. */
  get reason() {
    return this.#reason;
  }

  /** The age of the displayed picture, in milliseconds; `null` while it is unknown. @returns {number | null} */
  get age() {
    return this.#age;
  }

  /** Shows or hides the age: some frameworks write attributes as properties. */
  set age(shown) {
    this.toggleAttribute('age', shown !== null && Boolean(shown));
  }

  get controls() {
    return this.hasAttribute('controls');
  }

  set controls(shown) {
    this.toggleAttribute('controls', shown);
  }

  get paused() {
    return this.#paused;
  }

  /** Keeps the displayed picture, and ends the subscription: a paused element costs nothing. */
  pause() {
    this.#setPaused(true);
  }

  play() {
    this.#setPaused(false);
  }

  connectedCallback() {
    this.#takeEarlyProperties();
    this.#relays.sight.observe(this);
    this.#later();
  }

  disconnectedCallback() {
    this.#relays.sight.unobserve(this);
    this.#seen = false;
    this.#later();
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (before === value) return;
    if (IDENTITY.includes(name)) this.#leave();
    this.#later();
  }

  /** The element became visible, or no longer is. @param {boolean} seen */
  sighted(seen) {
    this.#seen = seen;
    this.#relay?.visibility.update();
    this.#render();
  }

  /** @param {import('./sight.js').Size} box */
  resized({ width, height }) {
    this.#box = { width, height };
    this.#relay?.visibility.update();
  }

  /** Takes properties that a script set before this class existed. They would hide those of the class. */
  #takeEarlyProperties() {
    for (const name of FanlightView.observedAttributes) {
      if (!Object.hasOwn(this, name)) continue;
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  }

  /** A page sets several attributes, or moves an element, within one task: that is one change. */
  #later() {
    if (this.#isPending) return;
    this.#isPending = true;
    queueMicrotask(() => {
      this.#isPending = false;
      this.#apply();
    });
  }

  #apply() {
    if (!this.isConnected) return this.#leave();
    this.#frame.show({ fit: this.#fit, controls: this.controls, age: this.controls || this.hasAttribute('age') });
    if (!this.#stream) this.#join();
    const { codec } = this;
    if (this.#relay && this.#stream && this.#stream.codec !== codec) {
      this.#stream.codec = codec;
      if (this.#stream.watchedSince !== null) this.#relay.visibility.again(this.#stream);
    }
    this.#relay?.visibility.update();
    this.#render();
  }

  #join() {
    const given = this.#given;
    this.#relay = null;
    this.#mistake = '';
    if (given.stream === '') this.#mistake = 'No stream is named: the attribute stream is missing';
    else if (!isStreamName(given.stream)) this.#mistake = `${given.stream} is no name of a stream`;
    else this.#relay = this.#relays.at(given);
    if (!this.#relay) {
      this.#mistake ||= `${given.src} is no address of a relay`;
      return;
    }
    this.#stream = this.#relay.join(given.stream, {
      limits: (stream) => this.#limits(stream),
      onChange: () => this.#render(),
      onUpgrade: () => this.dispatchEvent(new CustomEvent('fanlight-upgrade', { bubbles: true, composed: true })),
      onClosed: () => {
        this.#stream = null;
        this.#later();
      },
    });
    this.#stream.codec = this.codec;
    this.#stream.paused = this.#paused;
    this.#frame.showCanvas(this.#stream.canvas);
  }

  #leave() {
    if (this.#stream) this.#relay?.leave(this.#stream);
    this.#stream = null;
    this.#relay = null;
  }

  /** @param {boolean} paused */
  #setPaused(paused) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (this.#stream) this.#relay?.setPaused(this.#stream, paused);
    this.#render();
  }

  /** Returns the size to request; `null` if no viewer sees the picture. @param {EmbeddedStream} stream */
  #limits(stream) {
    const { width, height } = this.#box;
    if (!this.#seen || document.hidden || width < 1 || height < 1) return null;
    // A paused stream is requested until it has a picture to keep.
    if (this.#paused && stream.size !== null) return null;
    if (this.#fit === 'contain') return limitsOf(this.#box, devicePixelRatio, false);
    return limitsToCover(this.#box, stream.pictureAspect, devicePixelRatio);
  }

  #render() {
    const stream = this.#stream;
    const age = stream && this.#relay ? this.#relay.update(stream) : null;
    const { state, reason } = this.#status();
    this.#age = age && state !== 'refused' ? age.exact : null;
    const label = this.getAttribute('stream') ?? '';
    this.#frame.render({ name: label, state, reason, age: state === 'refused' ? null : age, stream, paused: this.#paused });
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.dispatchEvent(new CustomEvent('fanlight-state', { bubbles: true, composed: true, detail: { state, reason } }));
  }

  /** @returns {{ state: ViewState, reason: string }} */
  #status() {
    if (this.#mistake) return { state: 'refused', reason: this.#mistake };
    if (!this.#stream || !this.#relay) return { state: 'idle', reason: '' };
    const { link, lost, addresses } = this.#relay;
    const { state, text } = this.#stream.status;
    if (!lost || this.#paused) return { state, reason: text };
    const reason = connectionText(link, { ...this.#given, host: addresses.host });
    return { state: isRefused(link) ? 'refused' : state, reason };
  }

  get #given() {
    const text = (/** @type {string} */ name) => this.getAttribute(name)?.trim() ?? '';
    return { src: text('src'), stream: text('stream'), token: text('token'), link: text('link') };
  }

  /** The codec to request; `auto` unless the attribute names another. @returns {import('../shared/messages.js').CodecChoice} */
  get codec() {
    const named = this.getAttribute('codec');
    return named === 'jpeg' || named === 'h264' ? named : 'auto';
  }

  set codec(codec) {
    this.setAttribute('codec', codec);
  }

  get #fit() {
    return FITS.find((fit) => fit === this.getAttribute('fit')) ?? 'contain';
  }

  #toggleFullScreen() {
    if (document.fullscreenElement) void document.exitFullscreen();
    // Not every browser allows it, nor does every frame. Then nothing happens.
    else this.requestFullscreen?.().catch(() => {});
  }
}

/** Some frameworks write attributes as properties. */
for (const name of [...IDENTITY, 'fit']) {
  Object.defineProperty(FanlightView.prototype, name, {
    configurable: true,
    enumerable: true,
    get: /** @this {HTMLElement} */ function () {
      return this.getAttribute(name) ?? '';
    },
    set: /** @this {HTMLElement} @param {unknown} value */ function (value) {
      if (value === null || value === undefined) this.removeAttribute(name);
      else this.setAttribute(name, String(value));
    },
  });
}
