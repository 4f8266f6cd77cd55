// The page reports no slow connection if the connection is not slow.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { untilMoves } from '../page.js';
import { withSite } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ lines: string[], reduced: string[] }} Told */

const WEB = fileURLToPath(new URL('../..', import.meta.url));
/** Time for which a page is observed, from the start of its navigation, in milliseconds. */
const WATCHED = 10_000;
/** A busy machine may make the relay lower the resolution for a while. A fault of the page would do so every time. */
const TRIES = 3;
const BLAMES = /connection|device|link/i;

/** Records every text of the status line, and every track that is reduced. Runs before the page's own scripts. */
function takeNotes() {
  /** @type {Told} */
  const reported = { lines: [], reduced: [] };
  Object.assign(globalThis, { reported });
  const Plain = Worker;
  globalThis.Worker = class extends Plain {
    /** @param {string | URL} url @param {WorkerOptions} [options] */
    constructor(url, options) {
      super(url, options);
      this.addEventListener('message', ({ data }) => {
        const { type, reduced, stream, rendition, codec } = data.type === 'relay' ? data.message : data;
        if (type === 'track' && reduced) reported.reduced.push(`${stream} ${rendition}.${codec} after ${Math.round(performance.now())} ms`);
      });
    }
  };
  addEventListener('DOMContentLoaded', () => {
    const line = document.querySelector('#status-line');
    const note = () => void (line?.textContent && reported.lines.push(line.textContent));
    if (line) new MutationObserver(note).observe(line, { childList: true, characterData: true, subtree: true });
  });
}

/** Opens a page with an empty cache, in a context of its own. @param {import('./harness.js').Site} site */
async function coldOpen(site) {
  const context = await site.browser.newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => site.failures.push(error));
  await page.addInitScript(takeNotes);
  await page.goto(site.address);
  return { page, close: () => context.close() };
}

/** Returns what a page reported after it was observed for long enough. @param {Page} page @returns {Promise<Told>} */
async function toldBy(page) {
  await page.waitForFunction((watched) => performance.now() > watched, WATCHED, { polling: 250 });
  return page.evaluate(() => Reflect.get(globalThis, 'reported'));
}

/** Decoders take 400 ms for each frame while the tab starts, as if the browser were busy with other work. */
const SLOW_START = `
  const SLOW_UNTIL = performance.now() + 4000;
  const starting = () => performance.now() < SLOW_UNTIL;
  const wait = () => new Promise((resolve) => setTimeout(resolve, 400));
  const decode = self.createImageBitmap.bind(self);
  self.createImageBitmap = async (...image) => { if (starting()) await wait(); return decode(...image); };
`;

/** The worker is blocked three quarters of the time, and decoders take 400 ms for each frame, as on a device that is too slow. */
const BUSY = `
  const decode = self.createImageBitmap.bind(self);
  self.createImageBitmap = async (...image) => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    return decode(...image);
  };
  setInterval(() => {
    const until = performance.now() + 150;
    while (performance.now() < until);
  }, 200);
`;

/** Copies the page, with a script before the worker's own. Returns the folder to serve. @param {import('./harness.js').Site} site @param {string} script */
async function pageWith(site, script) {
  const folder = join(site.folder, 'page');
  for (const part of ['', 'page', 'worker', 'shared']) {
    await mkdir(join(folder, part));
    const files = (await readdir(join(WEB, part), { withFileTypes: true })).filter((file) => file.isFile() && /\.(js|css|html|svg)$/.test(file.name));
    for (const { name } of files) await copyFile(join(WEB, part, name), join(folder, part, name));
  }
  await writeFile(join(folder, 'worker/main.js'), script + (await readFile(join(WEB, 'worker/main.js'), 'utf8')));
  return folder;
}

test('a tab that starts slowly is sent the full size, and names no cause', withSite(async (site) => {
  // No secure context, so that only JPEG is sent, as in most home networks.
  site.capture({ door: 'test:640x360@30' });
  await site.relay('--allow-host', 'camera.test', '--web', await pageWith(site, SLOW_START));
  site.address = site.address.replace('127.0.0.1', 'camera.test');
  /** @type {Told} */
  let reported = { lines: [], reduced: ['not looked at'] };
  for (let tries = 0; tries < TRIES && reported.reduced.length > 0; tries += 1) {
    const { page, close } = await coldOpen(site);
    reported = await toldBy(page);
    assert.deepEqual(reported.lines.filter((line) => BLAMES.test(line)), []);
    await untilMoves(page, 'door');
    await close();
  }
  assert.deepEqual(reported, { lines: [], reduced: [] });
}));

test('two cold opens of a wall name no cause of slowness', withSite(async (site) => {
  const names = ['door', 'hall', 'roof', 'yard'];
  site.capture(Object.fromEntries(names.map((name) => [name, 'test:1280x720@30'])));
  await site.relay();
  for (let open = 0; open < 2; open += 1) {
    const { page, close } = await coldOpen(site);
    const { lines, reduced } = await toldBy(page);
    console.log(`said ${JSON.stringify(lines)}, reduced ${JSON.stringify(reduced)}`);
    assert.deepEqual(lines.filter((line) => BLAMES.test(line)), []);
    await untilMoves(page, 'door');
    await close();
  }
}));

test('a busy device is reported as that or without a cause, and never as a slow connection', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  await site.relay('--allow-host', 'camera.test', '--web', await pageWith(site, BUSY));
  site.address = site.address.replace('127.0.0.1', 'camera.test');
  const { page, close } = await coldOpen(site);
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: 6 });
  await page.waitForSelector('#status-line.shown:not(:empty)');
  // A cause that becomes known is named some seconds later.
  await page.waitForFunction((watched) => performance.now() > 2 * watched, WATCHED, { polling: 250 });
  const { lines } = await page.evaluate(() => Reflect.get(globalThis, 'reported'));
  console.log(`said ${JSON.stringify(lines)}`);
  assert.deepEqual(lines.filter((/** @type {string} */ line) => /connection|link/i.test(line)), []);
  await close();
}));
