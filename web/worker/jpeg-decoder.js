// Decodes JPEG with the browser. Frames are independent, and several can be decoded at the same time.

/** One frame to decode while another is painted. More would only make the pictures older. */
const MAX_IN_FLIGHT = 2;
/** A frame that is not decoded after five checks, 2 to 2.5 s, is dropped. After a suspend only one check runs. */
const CHECK_EVERY = 500;
const MAX_CHECKS = 5;
/**
 * The browser may hold the memory of a dropped frame. With this many of them the decoder pauses after each further one:
 * 2 s at first, then twice as long each time, until a frame is decoded again.
 */
const MAX_STUCK = 4;
const PAUSE = 2_000;
const MAX_PAUSE = 30_000;

/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('./decoders.js').Decoder} Decoder */
/** @typedef {{ checks: number, drop: (error: Error) => void }} Running */

/**
 * @typedef {object} Env times in milliseconds
 * @property {() => number} now
 * @property {(blob: Blob) => Promise<ImageBitmap>} decode
 * @property {(time: number, act: () => void) => () => void} after returns a function that cancels it
 */

/** @implements {Decoder} */
export class JpegDecoder {
  /** @type {Set<Running>} */
  #running = new Set();
  /** Cancels the next check. @type {(() => void) | null} */
  #cancelCheck = null;
  /** Dropped frames that the browser may still decode. */
  #stuck = 0;
  #stuckAt = -Infinity;
  #pause = PAUSE;

  /** @param {Env} env */
  constructor(env) {
    this.env = env;
  }

  /** @param {number} inFlight */
  takes(inFlight) {
    return inFlight < MAX_IN_FLIGHT;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    const pausing = this.#stuck >= MAX_STUCK && this.env.now() - this.#stuckAt < this.#pause;
    return pausing ? null : [arrival];
  }

  /** @param {readonly Arrival[]} path @returns {Promise<ImageBitmap | null>} */
  decode(path) {
    const frame = path.at(-1)?.frame;
    if (!frame) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const running = { checks: 0, drop: reject };
      this.#running.add(running);
      this.#startChecks();
      const decoded = this.env.decode(new Blob([frame.payload], { type: 'image/jpeg' }));
      decoded.then(
        (image) => {
          this.#pause = PAUSE;
          if (this.#finish(running)) resolve(image);
          else image.close();
        },
        (error) => this.#finish(running) && reject(error),
      );
    });
  }

  /** Frames in flight finish by themselves, or are dropped. */
  close() {}

  /** @param {Running} running @returns {boolean} true if its picture is still awaited */
  #finish(running) {
    const awaited = this.#running.delete(running);
    if (!awaited) this.#stuck -= 1;
    if (this.#running.size === 0) {
      this.#cancelCheck?.();
      this.#cancelCheck = null;
    }
    return awaited;
  }

  #startChecks() {
    this.#cancelCheck ??= this.env.after(CHECK_EVERY, () => {
      this.#cancelCheck = null;
      this.#check();
      if (this.#running.size > 0) this.#startChecks();
    });
  }

  #check() {
    for (const running of this.#running) {
      running.checks += 1;
      if (running.checks < MAX_CHECKS) continue;
      this.#running.delete(running);
      if (this.#stuck >= MAX_STUCK) this.#pause = Math.min(MAX_PAUSE, 2 * this.#pause);
      this.#stuck += 1;
      this.#stuckAt = this.env.now();
      running.drop(new Error(`the browser did not decode a JPEG within ${(MAX_CHECKS * CHECK_EVERY) / 1000} s`));
    }
  }
}
