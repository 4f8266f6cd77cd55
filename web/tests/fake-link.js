// A network with a relay behind it, in virtual time: sockets that may never open, and a link on which each byte takes time.
// Like a relay, it answers a question only after the frame before it was sent.

/** Times at which a system sends the first packet of a connection and repeats it, in milliseconds. */
const ATTEMPTS = [0, 1, 3, 7, 15, 31, 63].map((seconds) => seconds * 1000);

export class FakeLink {
  /** All sockets that were opened, the newest last. @type {FakeSocket[]} */
  sockets = [];
  /** Sockets open only if this is true, and after `connectTime` milliseconds. */
  reachable = true;
  connectTime = 20;
  /** Messages arrive only if this is true. */
  alive = true;
  /** Returns the duration of a frame in milliseconds, by the requested width. @type {(width: number) => number} */
  frameTime = () => 10;
  /** Milliseconds from the end of one frame to the start of the next. */
  interval = 100;

  /** @param {import('./virtual-time.js').VirtualTime} time */
  constructor(time) {
    this.time = time;
    const link = this;
    globalThis.WebSocket = /** @type {typeof WebSocket} */ (
      /** @type {unknown} */ (
        class extends FakeSocket {
          /** @param {string} _address */
          constructor(_address) {
            super(link);
          }
        }
      )
    );
    globalThis.fetch = () => Promise.reject(new Error('unreachable'));
  }

  /** @returns {FakeSocket} */
  get newest() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }
}

export class FakeSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  readyState = 0;
  binaryType = '';
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: { data: unknown }) => void) | null} */
  onmessage = null;
  /** @type {((event: { reason: string }) => void) | null} */
  onclose = null;
  /** Requested widths, in order. @type {number[]} */
  widths = [];
  frames = 0;
  /** Messages waiting for the link. @type {{ takes: number, data: () => unknown }[]} */
  #queue = [];
  #busy = false;

  /** @param {FakeLink} link */
  constructor(link) {
    this.link = link;
    link.sockets.push(this);
    for (const sent of ATTEMPTS) link.time.after(sent, () => link.reachable && link.time.after(link.connectTime, () => this.#open()));
  }

  #open() {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.onopen?.();
  }

  /** @param {string} text */
  send(text) {
    const message = JSON.parse(text);
    if (message.type === 'watch') {
      this.widths.push(message.max_width);
      if (this.widths.length === 1) this.#sendFrame();
    }
    if (message.type === 'clock') this.#enqueue(5, () => JSON.stringify({ type: 'clock', t0: message.t0, t1: 1, t2: 1 }));
  }

  close() {
    this.readyState = 3;
  }

  #sendFrame() {
    const frame = new ArrayBuffer(40);
    new Uint8Array(frame).set([1, 1, 1]);
    this.#enqueue(this.link.frameTime(this.widths.at(-1) ?? 0), () => {
      this.frames += 1;
      this.link.time.after(this.link.interval, () => this.#sendFrame());
      return frame;
    });
  }

  /** @param {number} takes @param {() => unknown} data */
  #enqueue(takes, data) {
    if (this.readyState !== 1) return;
    this.#queue.push({ takes, data });
    if (!this.#busy) this.#carry();
  }

  #carry() {
    const next = this.#queue.shift();
    this.#busy = next !== undefined;
    if (!next) return;
    this.link.time.after(next.takes, () => {
      if (this.readyState === 1 && this.link.alive) this.onmessage?.({ data: next.data() });
      this.#carry();
    });
  }
}
