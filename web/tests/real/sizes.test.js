import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, untilMoves } from '../page.js';
import { onSite } from './harness.js';
import { Throttle } from './throttle.js';

/** Bytes a millisecond: a quarter of what the full size needs. */
const NARROW = 100;
const PATIENCE = 30_000;

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

test('of two tiles the one behind a narrow link shrinks, and grows when the link is well again', onSite(async (site) => {
  site.capture({ door: 'test:640x360@20' });
  await site.relay();
  const link = new Throttle(site.listening);
  try {
    const address = await link.open();
    const [left, right] = await Promise.all([newPage(site.browser, site.failures), newPage(site.browser, site.failures)]);
    const [free, narrowed] = [new Sent(left), new Sent(right)];
    await Promise.all([left.goto(site.address), right.goto(address)]);
    for (const [page, sent] of /** @type {const} */ ([[left, free], [right, narrowed]])) {
      await untilMoves(page, 'door');
      await sent.until('full', (rendition) => rendition === 'full');
    }
    const before = free.renditions.length;
    link.rate = NARROW;
    await narrowed.until('smaller', (rendition) => rendition !== 'full');
    await right.waitForSelector('#quiet-line.shown >> text=/smaller pictures|fewer pictures/');
    await untilMoves(right, 'door');
    link.rate = Infinity;
    await narrowed.until('full again', (rendition) => rendition === 'full');
    await untilMoves(right, 'door');
    assert.deepEqual(free.renditions.slice(before), [], 'nobody else is touched');
    await untilMoves(left, 'door');
    await Promise.all([left.close(), right.close()]);
  } finally {
    link.close();
  }
}));
