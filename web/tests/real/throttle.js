// A narrow link that page and relay do not know about: forwards data no faster than the given rate.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Bytes forwarded at a time: a few packets. */
const PIECE = 4096;

export class Throttle {
  /** Bytes a millisecond, shared by all connections. */
  rate = Infinity;
  /** The time at which the data forwarded so far has passed the link. */
  #busyUntil = 0;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();

  /** @param {string} address host and port behind the link */
  constructor(address) {
    const [host = '', port = ''] = address.split(':');
    this.server = createServer((near) => {
      const far = connect({ host, port: Number(port) });
      near.pipe(far);
      void this.#carry(far, near).catch(() => {});
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        // Either side may close at any time.
        socket.on('error', () => {}).on('close', () => [near, far].forEach((other) => other.destroy()));
      }
    });
  }

  /** Returns the page's address at this end of the link. */
  async open() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${port}/`;
  }

  /** Breaks all connections. New ones are accepted. */
  cut() {
    this.#sockets.forEach((socket) => socket.destroy());
    this.#sockets.clear();
  }

  close() {
    this.cut();
    this.server.close();
  }

  /** @param {import('node:net').Socket} from @param {import('node:net').Socket} to */
  async #carry(from, to) {
    for await (const chunk of from) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        await this.#room(piece.length);
        if (!to.write(piece)) await once(to, 'drain');
      }
    }
    to.end();
  }

  /** Waits until the link has room. @param {number} bytes */
  async #room(bytes) {
    if (this.rate === Infinity) return;
    const now = performance.now();
    this.#busyUntil = Math.max(this.#busyUntil, now) + bytes / this.rate;
    const wait = this.#busyUntil - now;
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
