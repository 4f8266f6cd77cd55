import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inThreeSizes, moving, PHONE, until, untilMoves, untilState, video, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../mock-relay.js').MockRelay} MockRelay */

/** Returns the streams whose previews were requested, in order. @param {MockRelay} relay */
const previewed = ({ requests }) => requests.flatMap(({ pathname }) => pathname.match(/(?<=^\/streams\/)[^/]+/) ?? []);
/** @param {Page} page @param {string} name */
const marks = (page, name) => page.evaluate((name) => performance.getEntriesByName(name).length, name);
/** Hides the page, as a browser hides a tab in the background. It shows itself by the event `visibilitychange`. */
const HIDDEN = `
  globalThis.isHidden = true;
  Object.defineProperty(document, 'hidden', { get: () => globalThis.isHidden });
`;

/** Returns the place of an element in the window. @param {Page} page @param {string} selector */
function placeOf(page, selector) {
  return page.$eval(selector, (found) => found.getBoundingClientRect().toJSON());
}

test('a preview appears before the socket is open, and frames of the stream replace it in the same place', withMockRelay(async ({ relay, open }) => {
  relay.add('door', inThreeSizes());
  for (const path of ['', '?rotate=door:90', '?kiosk=1', '?stream=door']) {
    const release = relay.holdSockets();
    const page = await open(path);
    await page.waitForSelector('.tile.previewed[data-state="waiting"] .preview');
    await page.waitForFunction(() => performance.getEntriesByName('fanlight-first-frame').length === 1);
    assert.equal(await page.isVisible('.preview'), true, path);
    assert.equal(await page.isVisible('.placeholder'), false, path);
    assert.equal(await page.textContent('.age'), '', 'it has no age');
    assert.equal(await page.$eval('.preview', (image) => getComputedStyle(image).filter), 'none');
    const tile = await placeOf(page, '.tile');
    assert.deepEqual(await placeOf(page, '.preview'), await placeOf(page, '.tile canvas'), path);
    assert.equal(await marks(page, 'fanlight-first-live-frame'), 0);
    release();
    await untilMoves(page, 'door');
    await page.waitForSelector('.preview', { state: 'detached' });
    assert.deepEqual(await placeOf(page, '.tile'), tile, path);
    assert.equal(await marks(page, 'fanlight-first-frame'), 1);
    assert.equal(await marks(page, 'fanlight-first-live-frame'), 1);
    await page.close();
  }
  assert.equal(previewed(relay).length, 4, 'one for each page');
}));

test('the preview is of the rendition that the tile requests', withMockRelay(async ({ relay, open }) => {
  relay.add('door', inThreeSizes());
  const release = relay.holdSockets();
  const page = await open('', PHONE);
  await page.waitForSelector('.preview');
  release();
  await untilMoves(page, 'door');
  const watch = await relay.waitForMessage(({ type }) => type === 'watch');
  const preview = relay.requests.find(({ pathname }) => pathname === '/streams/door/snapshot')?.searchParams;
  assert.deepEqual([preview?.get('max_width'), preview?.get('max_height')], [String(watch.max_width), String(watch.max_height)]);
  assert.deepEqual([preview?.get('rendition'), preview?.get('max_age')], ['auto', '1000ms']);
}));

test('a preview that no frame replaces is grey and says why', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving()).running = false;
  const release = relay.holdSockets();
  const page = await open();
  await page.waitForSelector('.tile.previewed[data-state="waiting"]');
  release();
  await untilState(page, 'door', 'stale');
  assert.equal(await page.textContent('.status'), 'No new picture');
  assert.equal(await page.isVisible('.status'), true);
  assert.equal(await page.textContent('.age'), '');
  await until(page, '.preview', 'filter', 'grayscale(1)');
  relay.setState('door', 'offline', 'camera unplugged');
  await untilState(page, 'door', 'offline');
  assert.equal(await page.textContent('.status'), 'Camera unplugged');
  relay.setState('door', 'live', '');
  await untilMoves(page, 'door');
}));

test('a refused preview does no harm', withMockRelay(async ({ relay, open }) => {
  relay.previewable = false;
  relay.add('door', moving());
  const release = relay.holdSockets();
  const page = await open();
  await relay.until(() => previewed(relay).length === 1);
  release();
  await untilMoves(page, 'door');
  assert.equal(await page.$('.preview'), null);
  assert.equal(await marks(page, 'fanlight-first-frame'), 1);
}));

test('a hidden page requests no preview, nor does it when it appears', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('', {}, HIDDEN);
  await page.waitForSelector('.tile[data-stream="door"]');
  await page.evaluate(() => {
    Object.assign(globalThis, { isHidden: false });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await untilMoves(page, 'door');
  assert.deepEqual(relay.requests, []);
}));

test('the first visible tiles have previews, once', withMockRelay(async ({ relay, open }) => {
  for (const name of ['attic', 'barn', 'cellar', 'door', 'exit', 'fence']) relay.add(name, moving());
  const release = relay.holdSockets();
  const page = await open('?order=fence,exit');
  await page.waitForFunction(() => document.querySelectorAll('.preview').length === 4);
  release();
  for (const name of ['attic', 'fence']) await untilMoves(page, name);
  assert.deepEqual(previewed(relay).sort(), ['attic', 'barn', 'exit', 'fence']);
  relay.cut();
  await relay.until(() => relay.connections === 2);
  await untilMoves(page, 'fence');
  assert.equal(previewed(relay).length, 4);
}));

test('only streams whose newest JPEG is of the present have previews, and an enlarged one alone', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving(), { state: 'frozen', reason: 'camera repeats the same picture' });
  relay.add('roof', moving(), { state: 'offline', reason: 'camera unplugged' });
  relay.add('shed', moving(), { state: 'offline', gone: true });
  relay.add('yard', moving());
  const release = relay.holdSockets();
  const page = await open();
  await page.waitForFunction(() => document.querySelectorAll('.preview').length === 2);
  assert.deepEqual(previewed(relay).sort(), ['door', 'yard']);
  await (await open('?stream=yard')).waitForSelector('.preview');
  assert.deepEqual(previewed(relay).slice(2), ['yard']);
  release();
}));

test('a viewer who chose H.264 causes no JPEG', withMockRelay(async ({ relay, open }) => {
  relay.add('door', video());
  const release = relay.holdSockets();
  const page = await open('', {}, "localStorage.setItem('fanlight.codec', 'h264')");
  await page.waitForSelector('.tile');
  release();
  await untilMoves(page, 'door');
  assert.deepEqual(previewed(relay), []);
}));

test('a token applies to the preview, also below a path prefix', withMockRelay(async ({ relay, open }) => {
  relay.prefix = '/house/video/';
  relay.token = 'sesame';
  relay.add('door', moving());
  const release = relay.holdSockets();
  const page = await open('?token=sesame');
  await page.waitForSelector('.tile.previewed');
  release();
  await untilMoves(page, 'door');
  assert.deepEqual(previewed(relay), ['door']);
}));

test('a link in the address applies to the list and to the preview', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const release = relay.holdSockets();
  const page = await open('?link=abc');
  await page.waitForSelector('.preview');
  assert.deepEqual(relay.requests.map(({ searchParams }) => searchParams.get('link')), ['abc', 'abc']);
  release();
}));
