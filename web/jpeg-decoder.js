// JPEG: every frame stands alone, and the browser decodes as many as it is given.

/** One to decode while another is being painted; more would only make pictures older. */
const MOST_IN_FLIGHT = 2;
/** A decoding that takes longer than this, in milliseconds, never ends: a large picture takes half a second on a slow phone. */
const LONGEST_DECODING = 5_000;
/** Decodings that were given up may still hold memory. With this many of them the browser decodes nothing any more. */
const MOST_GIVEN_UP = 8;

/** @implements {Decoder} */
export class JpegDecoder {
  /** @typedef {import('./picture.js').Arrival} Arrival */
  /** @typedef {import('./picture.js').Decoder} Decoder */

  /** @type {Set<{ at: number, giveUp: () => void }>} */
  #working = new Set();
  #givenUp = 0;

  /** @param {(blob: Blob) => Promise<ImageBitmap>} decode @param {() => number} now milliseconds */
  constructor(decode, now) {
    this.decodeBlob = decode;
    this.now = now;
  }

  /** Asked with every frame that comes: so a decoding that never ends is given up. @param {number} inFlight */
  takes(inFlight) {
    this.#giveUpStuck();
    return inFlight < MOST_IN_FLIGHT && this.#givenUp < MOST_GIVEN_UP;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    return [arrival];
  }

  /** @param {readonly Arrival[]} path @returns {Promise<ImageBitmap | null>} */
  decode(path) {
    const frame = path.at(-1)?.frame;
    if (!frame) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const work = { at: this.now(), giveUp: () => reject(new Error('the decoder is stuck')) };
      this.#working.add(work);
      const ended = () => {
        const awaited = this.#working.delete(work);
        if (!awaited) this.#givenUp -= 1;
        return awaited;
      };
      const blob = new Blob([frame.payload], { type: 'image/jpeg' });
      this.decodeBlob(blob).then(
        (image) => (ended() ? resolve(image) : image.close()),
        (error) => ended() && reject(error),
      );
    });
  }

  close() {}

  #giveUpStuck() {
    for (const work of this.#working) {
      if (this.now() - work.at <= LONGEST_DECODING) continue;
      this.#working.delete(work);
      this.#givenUp += 1;
      work.giveUp();
    }
  }
}
