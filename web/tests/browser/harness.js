// A mock relay and a real Chromium looking at it; every test gets both fresh and gives them back.

import { makeSource, MockRelay } from '../mock-relay.js';
import { newPage, startChromium } from '../page.js';

export { capturedOf, names, PHONE, sequenceOf, until, untilAttribute, untilMoves, untilState, wordsOf } from '../page.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */
/** @typedef {{ relay: MockRelay, open: (path?: string, options?: Options, before?: string) => Promise<Page> }} Stage */

/** @type {Map<string, import('../mock-relay.js').Source>} */
const sources = new Map();

/** @param {number} [width] @param {number} [height] */
export function moving(width = 320, height = 180) {
  const key = `${width}x${height}`;
  const source = sources.get(key) ?? makeSource(width, height);
  sources.set(key, source);
  return source;
}

/** The same in three renditions, of which each is half as large as the one before. @param {number} [width] @param {number} [height] */
export function inThreeSizes(width = 640, height = 360) {
  return [1, 2, 4].map((part) => moving(Math.round(width / part), Math.round(height / part)));
}

/** Runs a test on a stage of its own. @param {(stage: Stage) => Promise<void>} act */
export function onStage(act) {
  return async () => {
    const relay = await new MockRelay().start();
    const browser = await startChromium();
    /** @type {Error[]} */
    const failures = [];
    try {
      await act({
        relay,
        async open(path = '', options, before) {
          const page = await newPage(browser, failures, { options, before });
          await page.goto(relay.address + path);
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
