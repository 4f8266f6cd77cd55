import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, untilAttribute, untilMoves } from '../page.js';
import { withSite } from './harness.js';
import { Throttle } from './throttle.js';

/** Bytes a millisecond: a full picture of 1920x1080 takes longer than the page waits for an answer. */
const NARROW = 7;
const PATIENCE = 60_000;

test('on a link that is too slow for a full picture, a smaller one is shown', withSite(async (site) => {
  site.capture({ door: 'test:1920x1080@10' });
  await site.relay('--allow-host', 'camera.test');
  const link = new Throttle(site.listening);
  try {
    const address = new URL(await link.open());
    // No secure context, so the browser does not decode H.264.
    address.hostname = 'camera.test';
    const page = await newPage(site.browser, site.failures);
    page.setDefaultTimeout(PATIENCE);
    /** @type {number[]} */
    const widths = [];
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => {
        const message = JSON.parse(String(payload));
        if (message.type === 'watch') widths.push(message.max_width);
      });
    });
    await page.goto(address.href);
    await untilMoves(page, 'door');
    const asked = widths.length;
    link.rate = NARROW;
    link.cut();
    const cutAt = Date.now() * 1000;
    await untilAttribute(page, 'door', 'data-captured', { above: cutAt });
    const [first = 0, ...later] = widths.slice(asked);
    assert.ok(later.some((width) => width <= first / 2 + 1), `${first}, then ${later}`);
    await page.close();
  } finally {
    link.close();
  }
}));
