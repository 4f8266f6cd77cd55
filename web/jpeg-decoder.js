// JPEG: every frame stands alone, and the browser decodes as many as it is given.

/** One to decode while another is being painted; more would only make pictures older. */
const MOST_IN_FLIGHT = 2;

/** @implements {Decoder} */
export class JpegDecoder {
  /** @typedef {import('./picture.js').Arrival} Arrival */
  /** @typedef {import('./picture.js').Decoder} Decoder */

  /** @param {(blob: Blob) => Promise<ImageBitmap>} decode */
  constructor(decode) {
    this.decodeBlob = decode;
  }

  /** @param {number} inFlight */
  takes(inFlight) {
    return inFlight < MOST_IN_FLIGHT;
  }

  /** @param {Arrival} arrival */
  path(arrival) {
    return [arrival];
  }

  /** @param {readonly Arrival[]} path */
  async decode(path) {
    const frame = path.at(-1)?.frame;
    return frame ? this.decodeBlob(new Blob([frame.payload], { type: 'image/jpeg' })) : null;
  }

  close() {}
}
