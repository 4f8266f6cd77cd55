// A fixture for each test: a mock relay and a real Chromium.

import { makeSource, makeVideo, MockRelay } from '../mock-relay.js';
import { newPage, startChromium } from '../page.js';

export { capturedOf, names, PHONE, sequenceOf, until, untilAttribute, untilMoves, untilStarted, untilState, statusTextOf } from '../page.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */
/** @typedef {{ relay: MockRelay, open: (path?: string, options?: Options, before?: string, host?: string) => Promise<Page> }} Fixture */

/** @type {Map<string, import('../mock-relay.js').Source>} */
const sources = new Map();

/** @param {number} [width] @param {number} [height] */
export function moving(width = 320, height = 180) {
  const key = `${width}x${height}`;
  const source = sources.get(key) ?? makeSource(width, height);
  sources.set(key, source);
  return source;
}

/** Returns a source with three renditions, each half as large as the one before. @param {number} [width] @param {number} [height] */
export function inThreeSizes(width = 640, height = 360) {
  return [1, 2, 4].map((part) => moving(Math.round(width / part), Math.round(height / part)));
}

/**
 * Returns H.264 whose frames show their number, ten a second, and the same as JPEG.
 * @param {number} [width] @param {number} [height] @param {string} [pixels] width of a pixel by its height
 */
export function video(width = 320, height = 180, pixels = '1') {
  const key = `video ${width}x${height} ${pixels}`;
  const source = sources.get(key) ?? makeVideo(width, height, { pixels });
  sources.set(key, source);
  return source;
}

/**
 * Returns the number that a frame of `video` shows on a tile.
 * @param {{ evaluate: (look: (stream: string) => number, stream: string) => Promise<number> }} page of any browser
 * @param {string} stream
 */
export function numberOn(page, stream) {
  return page.evaluate((stream) => {
    const shown = document.querySelector(`.tile[data-stream="${stream}"] canvas`);
    const context = document.createElement('canvas').getContext('2d');
    if (!(shown instanceof HTMLCanvasElement) || !context) throw new Error(`there is no tile ${stream}`);
    context.canvas.width = 8;
    context.canvas.height = 1;
    // The middle of each bar, because scaling blurs the edges.
    for (let bar = 0; bar < 8; bar += 1) context.drawImage(shown, ((bar + 0.5) / 8) * shown.width, shown.height / 2, 1, 1, bar, 0, 1, 1);
    const { data } = context.getImageData(0, 0, 8, 1);
    return Array.from({ length: 8 }, (_, bar) => ((data[bar * 4] ?? 0) > 127 ? 2 ** bar : 0)).reduce((sum, bit) => sum + bit, 0);
  }, stream);
}

/** Runs a test with a relay and a browser of its own. @param {(fixture: Fixture) => Promise<void>} act */
export function withMockRelay(act) {
  return async () => {
    const relay = await new MockRelay().start();
    const browser = await startChromium();
    /** @type {Error[]} */
    const failures = [];
    try {
      await act({
        relay,
        async open(path = '', options, before, host = '127.0.0.1') {
          const page = await newPage(browser, failures, { options, before });
          await page.goto(relay.address.replace('127.0.0.1', host) + path);
          return page;
        },
      });
      if (failures[0]) throw failures[0];
    } finally {
      await browser.close();
      await relay.stop();
    }
  };
}
