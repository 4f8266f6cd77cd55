// A mock relay and a real Chromium looking at it; every test gets both fresh and gives them back.

import { chromium } from 'playwright-core';
import { makeSource, MockRelay } from '../mock-relay.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */
/** @typedef {{ relay: MockRelay, open: (path?: string, options?: Options, before?: string) => Promise<Page> }} Stage */

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A browser on a busy machine is slow to start; no test waits for this long when all is well. */
const PATIENCE = 20_000;

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** @type {Map<string, import('../mock-relay.js').Source>} */
const sources = new Map();

/** @param {number} [width] @param {number} [height] */
export function moving(width = 320, height = 180) {
  const key = `${width}x${height}`;
  const source = sources.get(key) ?? makeSource(width, height);
  sources.set(key, source);
  return source;
}

/** Runs a test on a stage of its own. @param {(stage: Stage) => Promise<void>} act */
export function onStage(act) {
  return async () => {
    const relay = await new MockRelay().start();
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
    /** @type {Error[]} */
    const failures = [];
    try {
      await act({
        relay,
        async open(path = '', options = { viewport: { width: 1280, height: 800 } }, before = '') {
          const page = await browser.newPage(options);
          page.setDefaultTimeout(PATIENCE);
          page.on('pageerror', (error) => failures.push(error));
          page.on('console', (message) => {
            // What the strict content security policy refuses would be seen here.
            if (message.text().includes('Content Security Policy')) failures.push(new Error(message.text()));
          });
          if (before) await page.addInitScript(before);
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

/** Waits until a tile is in this state. @param {Page} page @param {string} stream @param {string} state */
export async function untilState(page, stream, state) {
  await page.waitForSelector(`.tile[data-stream="${stream}"][data-state="${state}"]`);
}

/** Waits until a tile shows a later frame than now. @param {Page} page @param {string} stream */
export async function untilMoves(page, stream) {
  await untilState(page, stream, 'live');
  const before = await sequenceOf(page, stream);
  await page.waitForFunction(
    ([name, sequence]) => {
      const tile = document.querySelector(`.tile[data-stream="${name}"]`);
      return Number(tile?.getAttribute('data-sequence')) > Number(sequence);
    },
    [stream, before],
  );
}

/** @param {Page} page @param {string} stream */
export async function sequenceOf(page, stream) {
  return Number(await page.getAttribute(`.tile[data-stream="${stream}"]`, 'data-sequence'));
}

/** @param {Page} page @param {string} stream */
export async function wordsOf(page, stream) {
  return page.textContent(`.tile[data-stream="${stream}"] .words`);
}

/** @param {Page} page */
export async function names(page) {
  return page.$$eval('.tile', (tiles) => tiles.map((tile) => tile.getAttribute('data-stream')));
}

/**
 * Waits until something about an element is so: `text`, `filter` (as computed) or `width` (on the screen).
 * @param {Page} page @param {string} selector @param {'text' | 'filter' | 'width'} what @param {string | number} part
 */
export async function until(page, selector, what, part) {
  await page.waitForFunction(
    ([selector, what, part]) => {
      const found = document.querySelector(String(selector));
      if (!found) return false;
      if (what === 'width') return found.getBoundingClientRect().width === part;
      return (what === 'text' ? found.textContent : getComputedStyle(found).filter)?.includes(String(part));
    },
    /** @type {const} */ ([selector, what, part]),
  );
}
