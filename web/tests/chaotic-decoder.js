// Decoders that are slow, fail, hang or lose frames at random, in virtual time. Random numbers come from a seed.

/** @typedef {import('./virtual-time.js').VirtualTime} VirtualTime */
/** @typedef {{ hang: number, fail: number, lose: number, slowest: number }} Mood chances of each, and milliseconds */

export const CALM = { hang: 0, fail: 0, lose: 0, slowest: 40 };

/** Returns a generator with the same numbers for the same seed (mulberry32). @param {number} seed @returns {() => number} 0 to 1 */
export function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Chaos {
  /** @type {Mood} */
  mood = CALM;

  /** @param {VirtualTime} time @param {() => number} random */
  constructor(time, random) {
    this.time = time;
    this.random = random;
  }

  /** @returns {'hang' | 'fail' | 'lose' | 'work'} */
  choose() {
    const { hang, fail, lose } = this.mood;
    const at = this.random();
    if (at < hang) return 'hang';
    if (at < hang + fail) return 'fail';
    return at < hang + fail + lose ? 'lose' : 'work';
  }

  get delay() {
    return 1 + this.random() * this.mood.slowest;
  }

  /** Stands in for `createImageBitmap`. @returns {Promise<ImageBitmap>} */
  decode = () =>
    new Promise((resolve, reject) => {
      const fate = this.choose();
      if (fate === 'hang') return;
      const bitmap = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3, close() {} }));
      this.time.after(this.delay, () => (fate === 'work' ? resolve(bitmap) : reject(new Error('broken'))));
    });

  /** Stands in for WebCodecs. @returns {import('../worker/h264-decoder.js').Platform} */
  platform() {
    const chaos = this;
    const VideoDecoder = class extends ChaoticDecoder {
      /** @param {VideoDecoderInit} init */
      constructor(init) {
        super(init, chaos);
      }
    };
    const EncodedVideoChunk = class {
      /** @param {object} init */
      constructor(init) {
        Object.assign(this, init);
      }
    };
    return /** @type {import('../worker/h264-decoder.js').Platform} */ (/** @type {unknown} */ ({ VideoDecoder, EncodedVideoChunk }));
  }
}

class ChaoticDecoder {
  state = 'unconfigured';
  decodeQueueSize = 0;
  /** @type {number[]} */
  #stamps = [];
  #running = false;
  #onDequeue = () => {};

  /** @param {VideoDecoderInit} init @param {Chaos} chaos */
  constructor(init, chaos) {
    this.init = init;
    this.chaos = chaos;
  }

  configure() {
    this.state = 'configured';
  }

  /** @param {string} _name @param {() => void} act */
  addEventListener(_name, act) {
    this.#onDequeue = act;
  }

  async flush() {}

  close() {
    this.state = 'closed';
  }

  /** @param {{ timestamp: number }} chunk */
  decode({ timestamp }) {
    this.#stamps.push(timestamp);
    this.decodeQueueSize += 1;
    this.#run();
  }

  #run() {
    const [timestamp] = this.#stamps;
    if (this.#running || timestamp === undefined) return;
    this.#running = true;
    const fate = this.chaos.choose();
    if (fate !== 'hang') this.chaos.time.after(this.chaos.delay, () => this.#end(fate, timestamp));
  }

  /** @param {string} fate @param {number} timestamp */
  #end(fate, timestamp) {
    if (this.state === 'closed') return;
    if (fate === 'fail') {
      this.close();
      this.init.error(new DOMException('no', 'EncodingError'));
      return;
    }
    this.#stamps.shift();
    this.decodeQueueSize -= 1;
    this.#onDequeue();
    if (fate === 'work') {
      this.init.output(/** @type {VideoFrame} */ (/** @type {unknown} */ ({ timestamp, displayWidth: 4, displayHeight: 3, close() {} })));
    }
    this.#running = false;
    this.#run();
  }
}
