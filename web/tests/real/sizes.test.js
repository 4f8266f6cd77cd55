import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, untilMoves } from '../page.js';
import { onSite } from './harness.js';
import { Throttle } from './throttle.js';

/** Where a page is looked at, and so few bytes a millisecond that the full size is too much there, and a smaller one is not. */
const LINKS = {
  // Not secure, so a browser does not decode video there: 540, 200 and 80 in the three sizes.
  JPEG: { host: 'camera.test', narrow: 110 },
  // 45, 25 and 15.
  'H.264': { host: '127.0.0.1', narrow: 25 },
};
/** A busy machine's stumbles look like a narrow link for a while. */
const PATIENCE = 60_000;
/** They may make both tiles smaller, and then it is looked at again. Whoever is touched by another's link is so every time. */
const TRIES = 3;

/** The renditions that a page was sent, one after the other. */
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

  /** Waits until the latest is so. @param {string} what @param {(rendition: string) => boolean} so */
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
  test(`of two tiles of ${codec} the one behind a narrow link shrinks, and grows when the link is well again`, onSite(async (site) => {
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
      assert.deepEqual(touched, [], 'nobody else is touched');
      await untilMoves(left, 'door');
      await Promise.all([left.close(), right.close()]);
    } finally {
      link.close();
    }
  }));
}
