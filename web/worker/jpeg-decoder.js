// JPEG: every frame stands alone, and the browser decodes as many as it is given.

/** One to decode while another is being painted; more would only make pictures older. */
const MOST_IN_FLIGHT = 2;
/** A frame that is not decoded after five looks, 2 to 2.5 s, is given up. A suspended machine looks only once. */
const LOOK_EVERY = 500;
const MOST_LOOKS = 5;
/**
 * The browser may hold the memory of a frame that was given up. With this many of them the decoder rests after each
 * further one: at first for 2 s, then for twice as long each time until something is decoded again.
 */
const MOST_STUCK = 4;
const REST = 2_000;
const LONGEST_REST = 30_000;

/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./decoders.js').Decoder} Decoder */
/** @typedef {{ looks: number, drop: (error: Error) => void }} Running */

/**
 * @typedef {object} Env times in milliseconds
 * @property {() => number} now
 * @property {(blob: Blob) => Promise<ImageBitmap>} decode
 * @property {(time: number, act: () => void) => () => void} after returns what calls it off
 */

/** @implements {Decoder} */
export class JpegDecoder {
  /** @type {Set<Running>} */
  #running = new Set();
  /** Calls off the next look. @type {(() => void) | null} */
  #noLook = null;
  /** How many frames were given up that the browser may still decode. */
  #stuck = 0;
  #stuckAt = -Infinity;
  #rest = REST;

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  /** @param {number} inFlight */
  takes(inFlight) {
    return inFlight < MOST_IN_FLIGHT;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    const rests = this.#stuck >= MOST_STUCK && this.env.now() - this.#stuckAt < this.#rest;
    return rests ? null : [arrival];
  }

  /** @param {readonly Arrival[]} path @returns {Promise<ImageBitmap | null>} */
  decode(path) {
    const frame = path.at(-1)?.frame;
    if (!frame) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const running = { looks: 0, drop: reject };
      this.#running.add(running);
      this.#watch();
      const decoded = this.env.decode(new Blob([frame.payload], { type: 'image/jpeg' }));
      decoded.then(
        (image) => {
          this.#rest = REST;
          if (this.#ends(running)) resolve(image);
          else image.close();
        },
        (error) => this.#ends(running) && reject(error),
      );
    });
  }

  /** What is being decoded ends by itself, or is given up. */
  close() {}

  /** @param {Running} running @returns {boolean} whether its picture is still awaited */
  #ends(running) {
    const awaited = this.#running.delete(running);
    if (!awaited) this.#stuck -= 1;
    if (this.#running.size === 0) {
      this.#noLook?.();
      this.#noLook = null;
    }
    return awaited;
  }

  #watch() {
    this.#noLook ??= this.env.after(LOOK_EVERY, () => {
      this.#noLook = null;
      this.#look();
      if (this.#running.size > 0) this.#watch();
    });
  }

  #look() {
    for (const running of this.#running) {
      running.looks += 1;
      if (running.looks < MOST_LOOKS) continue;
      this.#running.delete(running);
      if (this.#stuck >= MOST_STUCK) this.#rest = Math.min(LONGEST_REST, 2 * this.#rest);
      this.#stuck += 1;
      this.#stuckAt = this.env.now();
      running.drop(new Error('the browser does not decode a JPEG'));
    }
  }
}
