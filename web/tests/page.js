// The page as tests see it: a real Chromium, and helpers to query a tile.

import { chromium } from 'playwright-core';

/** @typedef {import('playwright-core').Browser} Browser */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Resolves to this machine, but is not a secure context.
  '--host-resolver-rules=MAP camera.test 127.0.0.1',
];
/** A browser on a busy machine starts slowly. No test waits this long if all is well. */
const PATIENCE = 20_000;

export const WIDE = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

export function startChromium() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * Opens a page with an empty cache.
 * @param {Browser} browser @param {Error[]} failures collects the page's errors
 * @param {{ options?: Options, before?: string }} [how] `before`: a script that runs before the page's own
 */
export async function newPage(browser, failures, { options = WIDE, before = '' } = {}) {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', (error) => failures.push(error));
  page.on('console', (message) => {
    // The strict content security policy reports violations here.
    if (message.text().includes('Content Security Policy')) failures.push(new Error(message.text()));
  });
  if (before) await page.addInitScript(before);
  return page;
}

/** Waits until a tile is in this state. @param {Page} page @param {string} stream @param {string} state */
export async function untilState(page, stream, state) {
  await page.waitForSelector(`.tile[data-stream="${stream}"][data-state="${state}"]`);
}

/** Waits until a tile is no longer starting: from then on, the page reports a lower frame rate or resolution. @param {Page} page @param {string} stream */
export async function untilStarted(page, stream) {
  await page.waitForSelector(`.tile[data-stream="${stream}"]:not(.starting)`);
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

/** Returns the capture time of a tile's picture, in microseconds of the relay's clock. @param {Page} page @param {string} stream */
export async function capturedOf(page, stream) {
  return Number(await page.getAttribute(`.tile[data-stream="${stream}"]`, 'data-captured'));
}

/**
 * Waits until a numeric attribute of a tile has a value.
 * @param {Page} page @param {string} stream @param {string} name
 * @param {{ is?: number, above?: number, below?: number }} wanted
 */
export async function untilAttribute(page, stream, name, wanted) {
  await page.waitForFunction(
    ([stream, name, { is, above = -Infinity, below = Infinity }]) => {
      const value = Number(document.querySelector(`.tile[data-stream="${stream}"]`)?.getAttribute(name));
      return is === undefined ? value > above && value < below : value === is;
    },
    /** @type {const} */ ([stream, name, wanted]),
  );
}

/** @param {Page} page @param {string} stream */
export async function statusTextOf(page, stream) {
  return page.textContent(`.tile[data-stream="${stream}"] .status`);
}

/** @param {Page} page */
export async function names(page) {
  return page.$$eval('.tile', (tiles) => tiles.map((tile) => tile.getAttribute('data-stream')));
}

/**
 * Waits until a property of an element matches: `text`, `filter` (as computed) or `width` (on the screen).
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
