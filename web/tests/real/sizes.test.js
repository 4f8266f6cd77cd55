import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, untilMoves } from '../page.js';
import { withSite } from './harness.js';
import { Throttle } from './throttle.js';

/** Hosts of the page, and a bandwidth in bytes a millisecond that sustains a smaller size and not the full one. */
const LINKS = {
  // No secure context, so the browser does not decode H.264. The three sizes need 540, 200 and 80.
  JPEG: { host: 'camera.test', narrow: 110 },
  // The three sizes need 45, 25 and 15.
  'H.264': { host: '127.0.0.1', narrow: 25 },
};
/** Delays of a busy machine look like a narrow link for a while. */
const PATIENCE = 60_000;
/** Such delays may shrink both tiles; then the test is repeated. A tile that another link affects is affected every time. */
const TRIES = 3;

/** The renditions that a page was sent, in order. */
class Sent {
  /** @type {string[]} */
  renditions = [];
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {import('playwright-core').Page} page */
  constructor(page) {
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        if (typeof payload !== 'string') return;
        const message = JSON.parse(payload);
        if (message.type !== 'track') return;
        this.renditions.push(message.rendition);
        this.#listeners.forEach((listener) => listener());
      }),
    );
  }

  /** Waits until the latest rendition matches. @param {string} what @param {(rendition: string) => boolean} so */
  async until(what, so) {
    const reached = () => so(this.renditions.at(-1) ?? '');
    if (reached()) return;
    await new Promise((resolve, reject) => {
      const listener = () => {
        if (!reached()) return;
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(null);
      };
      const timer = setTimeout(() => reject(new Error(`never ${what}: ${this.renditions}`)), PATIENCE);
      this.#listeners.add(listener);
    });
  }
}

for (const [codec, { host, narrow }] of Object.entries(LINKS)) {
  test(`of two tiles of ${codec} the one behind a narrow link shrinks, and grows when the link recovers`, withSite(async (site) => {
    site.capture({ door: 'test:640x360@20' });
    await site.relay('--allow-host', 'camera.test');
    const link = new Throttle(site.listening);
    try {
      const [near, far] = [new URL(site.address), new URL(await link.open())];
      near.hostname = far.hostname = host;
      const [left, right] = await Promise.all([newPage(site.browser, site.failures), newPage(site.browser, site.failures)]);
      const [free, narrowed] = [new Sent(left), new Sent(right)];
      await Promise.all([left.goto(near.href), right.goto(far.href)]);
      for (const [page, sent] of /** @type {const} */ ([[left, free], [right, narrowed]])) {
        await untilMoves(page, 'door');
        await sent.until('full', (rendition) => rendition === 'full');
      }
      /** @type {string[]} */
      let touched = ['not looked at'];
      for (let tries = 0; tries < TRIES && touched.length > 0; tries += 1) {
        const before = free.renditions.length;
        link.rate = narrow;
        await narrowed.until('smaller', (rendition) => rendition !== 'full');
        await right.waitForSelector('#status-line.shown >> text=/lower (resolution|frame rate)/i');
        await untilMoves(right, 'door');
        link.rate = Infinity;
        await narrowed.until('full again', (rendition) => rendition === 'full');
        await untilMoves(right, 'door');
        touched = free.renditions.slice(before).filter((rendition) => rendition !== 'full');
        await free.until('full again', (rendition) => rendition === 'full');
      }
      assert.deepEqual(touched, [], 'the other viewer is not affected');
      await untilMoves(left, 'door');
      await Promise.all([left.close(), right.close()]);
    } finally {
      link.close();
    }
  }));
}
