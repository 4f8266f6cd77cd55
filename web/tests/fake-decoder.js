// A fake H.264 decoder: records its input, and returns images when the test asks for them.

/** @typedef {{ type: string, timestamp: number, data: Uint8Array }} Chunk */

export class FakeDecoder {
  /** All instances, the newest last. @type {FakeDecoder[]} */
  static all = [];
  state = 'unconfigured';
  decodeQueueSize = 0;
  /** @type {string[]} */
  configured = [];
  /** @type {Chunk[]} */
  fed = [];
  closed = 0;
  flushed = 0;
  #taken = 0;
  #letOut = 0;
  /** @type {() => void} */
  #onDequeue = () => {};

  /** @param {VideoDecoderInit} init */
  constructor(init) {
    this.init = init;
    FakeDecoder.all.push(this);
  }

  /** @param {VideoDecoderConfig} config */
  configure({ codec }) {
    this.state = 'configured';
    this.configured.push(codec);
  }

  /** @param {Chunk} chunk */
  decode(chunk) {
    this.fed.push(chunk);
    this.decodeQueueSize += 1;
  }

  /** @param {string} _name @param {() => void} act */
  addEventListener(_name, act) {
    this.#onDequeue = act;
  }

  async flush() {
    this.flushed += 1;
    this.letOut();
  }

  close() {
    this.state = 'closed';
  }

  /** Takes up to `most` waiting frames, without returning images. @param {number} [most] */
  take(most = Infinity) {
    for (let count = 0; count < most && this.#taken < this.fed.length; count += 1) {
      this.#taken += 1;
      this.decodeQueueSize -= 1;
      this.#onDequeue();
    }
  }

  /** Returns up to `most` images, the oldest first. @param {number} [most] */
  letOut(most = Infinity) {
    for (let count = 0; count < most && this.#letOut < this.fed.length; count += 1) {
      const { timestamp, data } = this.fed[this.#letOut++] ?? { timestamp: 0, data: new Uint8Array() };
      const waited = this.#letOut > this.#taken;
      if (waited) {
        this.#taken += 1;
        this.decodeQueueSize -= 1;
      }
      this.init.output(this.#picture(timestamp, data.at(-1) ?? 0));
      if (waited) this.#onDequeue();
    }
  }

  /** @param {string} name */
  fail(name) {
    this.state = 'closed';
    this.init.error(Object.assign(new DOMException('no', name)));
  }

  /** @param {number} timestamp @param {number} name @returns {VideoFrame} */
  #picture(timestamp, name) {
    const picture = { timestamp, displayWidth: 4, displayHeight: 3, name, close: () => (this.closed += 1) };
    return /** @type {VideoFrame} */ (/** @type {unknown} */ (picture));
  }
}

/** Stands in for WebCodecs. */
export const platform = /** @type {import('../worker/h264-decoder.js').Platform} */ (
  /** @type {unknown} */ ({
    VideoDecoder: FakeDecoder,
    EncodedVideoChunk: class {
      /** @param {Chunk} init */
      constructor(init) {
        Object.assign(this, init);
      }
    },
  })
);

/** The last byte identifies the frame. @param {number} name @param {number} [level] */
export const keyframe = (name, level = 0x1f) => new Uint8Array([0, 0, 0, 1, 0x67, 0x42, 0xe0, level, 0xaa, 0, 0, 1, 0x65, 0x88, name]);
/** @param {number} name */
export const delta = (name) => new Uint8Array([0, 0, 0, 1, 0x41, 0x9a, name]);
