import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, names, PHONE, until, untilMoves, untilState, withMockRelay } from './harness.js';

const SHAPES = /** @type {const} */ ([[320, 180], [320, 240], [180, 320], [320, 180], [240, 240], [320, 180]]);
const NAMES = ['attic', 'cellar', 'door', 'garden', 'hall', 'yard'];

/** @param {import('../mock-relay.js').MockRelay} relay */
function addSix(relay) {
  NAMES.forEach((name, index) => {
    const [width, height] = SHAPES[index] ?? [320, 180];
    relay.add(name, moving(width, height));
  });
}

/** @param {import('playwright-core').Page} page @param {string} stream */
async function rotationOf(page, stream) {
  return page.getAttribute(`[data-stream="${stream}"]`, 'data-rotation');
}

test('six streams fit a wide screen without scrolling', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open();
  for (const name of NAMES) await untilState(page, name, 'live');
  const size = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
  assert.deepEqual(size, [1280, 800]);
}));

test('a phone has one column, nothing is cut off, and tiles out of sight are not requested', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open('', PHONE);
  await untilMoves(page, 'attic');
  const boxes = await page.$$eval('.tile', (tiles) => tiles.map((tile) => tile.getBoundingClientRect().toJSON()));
  for (const box of boxes) assert.ok(box.left >= 0 && box.right <= 390, JSON.stringify(box));
  assert.equal(new Set(boxes.map(({ top }) => top)).size, 6);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await untilMoves(page, 'yard');
  const watch = await relay.waitForMessage(({ type, stream }) => type === 'watch' && stream === 'attic');
  await relay.waitForMessage(({ type, id }) => type === 'unwatch' && id === watch.id);
}));

test('an early request ends if its tile is out of sight', withMockRelay(async ({ relay, open }) => {
  for (const name of NAMES) relay.add(name, moving(180, 320));
  // Without the list, the page cannot know the tiles before the socket is open, and the worker requests the first ones itself.
  const page = await open('', PHONE, "globalThis.fetch = () => Promise.reject(new TypeError('no list'));");
  await untilMoves(page, 'attic');
  const unseen = await relay.waitForMessage(({ type, stream }) => type === 'watch' && stream === 'garden');
  await relay.waitForMessage(({ type, id }) => type === 'unwatch' && id === unseen.id);
}));

test('enlarging keeps socket and subscription', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open();
  await untilMoves(page, 'door');
  const small = await relay.waitForMessage(({ type, stream }) => type === 'watch' && stream === 'door');
  await page.click('[data-stream="door"] .view');
  await page.waitForSelector('.enlarged');
  assert.equal(page.url(), `${relay.address}?stream=door`);
  const other = await relay.waitForMessage(({ type, stream }) => type === 'watch' && stream === 'hall');
  await relay.waitForMessage(({ type, id }) => type === 'unwatch' && id === other.id);
  await until(page, '.enlarged', 'width', 1280);
  await untilMoves(page, 'door');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.enlarged', { state: 'detached' });
  await untilMoves(page, 'hall');
  assert.equal(page.url(), relay.address);
  assert.equal(relay.connections, 1);
  assert.equal(relay.received.filter(({ type, id }) => type === 'unwatch' && id === small.id).length, 0);
}));

test('a hidden tab receives nothing, and its pictures return', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('', {}, "Object.defineProperty(document, 'hidden', { get: () => globalThis.away === true })");
  await untilMoves(page, 'door');
  const look = (/** @type {boolean} */ away) =>
    page.evaluate((away) => {
      Object.assign(globalThis, { away });
      document.dispatchEvent(new Event('visibilitychange'));
    }, away);
  await look(true);
  await relay.waitForMessage(({ type }) => type === 'unwatch');
  await untilState(page, 'door', 'idle');
  await look(false);
  await untilMoves(page, 'door');
}));

test('every action works with the keyboard', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open();
  await untilMoves(page, 'attic');
  await page.waitForSelector('#actions button');
  const focused = () => page.evaluate(() => document.activeElement?.closest('.tile')?.getAttribute('data-stream'));
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), 'attic');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), 'cellar');
  await page.keyboard.press('Space');
  await untilState(page, 'cellar', 'paused');
  assert.equal(await page.$('.enlarged'), null);
  await page.keyboard.press('Space');
  await page.waitForSelector('[data-state="paused"]', { state: 'detached' });
  await page.keyboard.press('Enter');
  await page.waitForSelector('.enlarged[data-stream="cellar"]');
  await page.keyboard.press('ArrowRight');
  await page.waitForSelector('.enlarged[data-stream="door"]');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('r');
  assert.equal(await rotationOf(page, 'cellar'), '90');
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'cellar');
  await page.keyboard.press('l');
  await page.waitForSelector('.tile.large[data-stream="cellar"]');
  await page.keyboard.press('Shift+ArrowLeft');
  assert.deepEqual((await names(page)).slice(0, 2), ['cellar', 'attic']);
  assert.equal(await focused(), 'cellar');
  await page.keyboard.press('i');
  await page.waitForSelector('.details-open .details >> text=Stream size');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
}));

test('order, size and rotation are stored, and shared as a link', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open('?order=yard,door&large=yard&rotate=door:180', { permissions: ['clipboard-read', 'clipboard-write'] });
  await untilMoves(page, 'yard');
  assert.deepEqual(await names(page), ['yard', 'door', 'attic', 'cellar', 'garden', 'hall']);
  assert.equal(await rotationOf(page, 'door'), '180');
  await page.focus('[data-stream="attic"] .view');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('r');
  assert.equal(page.url(), relay.address);
  await page.reload();
  await untilMoves(page, 'yard');
  assert.equal((await names(page))[0], 'yard');
  assert.equal(await rotationOf(page, 'attic'), '90');
  await page.click('#actions [aria-label^="Copy"]');
  await page.waitForSelector('text=Link copied');
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, `${relay.address}?order=yard,door&large=yard&rotate=door:180,attic:90`);
}));

test('a tile is dragged to another position', withMockRelay(async ({ relay, open }) => {
  addSix(relay);
  const page = await open();
  await untilMoves(page, 'attic');
  await page.waitForSelector('#actions button');
  const target = await page.locator('[data-stream="garden"]').boundingBox();
  await page.hover('[data-stream="attic"] .view');
  await page.mouse.down();
  assert.ok(target);
  await page.mouse.move(target.x + target.width - 20, target.y + 20, { steps: 4 });
  await page.mouse.up();
  assert.deepEqual(await names(page), ['cellar', 'door', 'garden', 'attic', 'hall', 'yard']);
  assert.equal(await page.$('.enlarged'), null);
}));

test('the wheel zooms into the enlarged tile, and dragging pans', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('?stream=door');
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button', { state: 'attached' });
  await page.mouse.move(640, 400);
  await page.mouse.wheel(0, -600);
  await page.waitForSelector('.view.zoomed');
  const transform = () => page.$eval('.canvas-box', (box) => box instanceof HTMLElement && box.style.transform);
  const before = await transform();
  await page.mouse.down();
  await page.mouse.move(500, 300, { steps: 4 });
  await page.mouse.up();
  assert.notEqual(await transform(), before);
  assert.equal(await page.$('.details-open'), null, 'a drag is no tap');
}));
