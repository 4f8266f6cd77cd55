import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inThreeSizes, moving, PHONE, sequenceOf, until, untilAttribute, untilMoves, untilStarted, untilState, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../mock-relay.js').MockRelay} MockRelay */

/** Each rendition of the mock relay numbers its frames independently. */
const FULL = { above: 0, below: 30_000 };
const HALF = { above: 70_000 };
const QUARTER = { above: 30_000, below: 70_000 };

/** Returns the requested sizes of a stream, in order, as width by height. @param {MockRelay} relay @param {string} name */
const asked = (relay, name) =>
  relay.received
    .filter(({ type, stream }) => type === 'watch' && stream === name)
    .map(({ max_width, max_height }) => `${max_width}x${max_height}`);

/** Returns the size of a tile's picture on the screen. @param {Page} page @param {string} name @param {number} [density] */
async function placeOf(page, name, density = 1) {
  const { width, height } = (await page.locator(`[data-stream="${name}"] .view`).boundingBox()) ?? { width: 0, height: 0 };
  return `${Math.ceil(width * density)}x${Math.ceil(height * density)}`;
}

/** @param {Page} page @param {string} stream @param {{ above: number, below?: number }} rendition */
const untilShows = (page, stream, rendition) => untilAttribute(page, stream, 'data-sequence', rendition);

/** Checks every screen frame from now on. @param {Page} page @param {string} name */
async function watchClosely(page, name) {
  await page.evaluate((name) => {
    /** @type {Set<string>} */
    const seen = new Set();
    const state = { seen, looks: 0 };
    Object.assign(globalThis, { closely: state });
    const tile = document.querySelector(`[data-stream="${name}"]`);
    const canvas = tile?.querySelector('canvas');
    const eye = new OffscreenCanvas(8, 8).getContext('2d', { willReadFrequently: true });
    const place = () => JSON.stringify([tile?.getBoundingClientRect(), canvas?.getBoundingClientRect()]);
    const before = place();
    const look = () => {
      state.looks += 1;
      if (place() !== before) seen.add(`moved from ${before} to ${place()}`);
      if (tile?.getAttribute('data-state') !== 'live') seen.add(String(tile?.getAttribute('data-state')));
      eye?.clearRect(0, 0, 8, 8);
      if (canvas) eye?.drawImage(canvas, 0, 0, 8, 8);
      const pixels = eye?.getImageData(0, 0, 8, 8).data ?? new Uint8ClampedArray(4);
      if (pixels.some((value, at) => at % 4 === 3 && value < 255)) seen.add('blank');
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, name);
}

/** @param {Page} page @returns {Promise<{ seen: string[], looks: number }>} */
const whatWasSeen = (page) =>
  page.evaluate(() => {
    const { seen, looks } = /** @type {{ seen: Set<string>, looks: number }} */ (Reflect.get(globalThis, 'closely'));
    return { seen: [...seen], looks };
  });

test('a tile is requested in its own pixels, in more when enlarged or zoomed, and in less when small again', withMockRelay(async ({ relay, open }) => {
  relay.add('door', inThreeSizes(2560, 1440));
  for (const name of ['garden', 'hall', 'yard']) relay.add(name, moving());
  const release = relay.holdSockets();
  const page = await open();
  await page.waitForSelector('[data-stream="door"]');
  release();
  await untilShows(page, 'door', QUARTER);
  await page.waitForSelector('#actions button');
  assert.ok(relay.received.every(({ type, rendition }) => type !== 'watch' || rendition === 'auto'));
  const small = await placeOf(page, 'door');
  // The page placed the tile before the socket was open.
  assert.deepEqual(asked(relay, 'door'), [small]);
  await page.click('[data-stream="door"] .view');
  await untilShows(page, 'door', HALF);
  assert.equal(asked(relay, 'door').at(-1), '1280x800');
  await page.mouse.move(640, 400);
  await page.mouse.wheel(0, -450);
  await untilShows(page, 'door', FULL);
  assert.match(asked(relay, 'door').at(-1) ?? '', /^3\d{3}x\d{4}$/);
  await page.mouse.wheel(0, 900);
  await untilShows(page, 'door', HALF);
  await page.keyboard.press('Escape');
  await untilShows(page, 'door', QUARTER);
  assert.deepEqual(asked(relay, 'door').filter((size) => size === small), [small, small]);
  assert.equal(asked(relay, 'door').length, 5, String(asked(relay, 'door')));
  assert.equal(relay.connections, 1);
}));

test('a window that shrinks and grows changes the request, and a rotated tile is requested as the source is oriented', withMockRelay(async ({ relay, open }) => {
  relay.add('door', inThreeSizes(1280, 720));
  const page = await open();
  await untilShows(page, 'door', FULL);
  await page.setViewportSize({ width: 620, height: 500 });
  await untilShows(page, 'door', HALF);
  assert.equal(asked(relay, 'door').at(-1), await placeOf(page, 'door'));
  await page.setViewportSize({ width: 1280, height: 800 });
  await untilShows(page, 'door', FULL);
  await page.waitForSelector('#actions button');
  await page.hover('[data-stream="door"]');
  await page.click('[data-stream="door"] .tools [aria-label="Rotate"]');
  // Upright, the tile is as wide as the window was high.
  await page.setViewportSize({ width: 620, height: 500 });
  await untilShows(page, 'door', HALF);
  const [width, height] = (await placeOf(page, 'door')).split('x');
  assert.equal(asked(relay, 'door').at(-1), `${height}x${width}`);
}));

test('on a phone the screen pixels count', withMockRelay(async ({ relay, open }) => {
  relay.add('door', inThreeSizes(1552, 872));
  relay.add('hall', inThreeSizes(1552, 872));
  const page = await open('', PHONE);
  await untilShows(page, 'door', HALF);
  assert.equal(asked(relay, 'door').at(-1), await placeOf(page, 'door', 2));
}));

for (const [where, before] of [
  ['in the worker', ''],
  ['on the page', 'delete HTMLCanvasElement.prototype.transferControlToOffscreen'],
]) {
  test(`a frame of another size, painted ${where}, stays in its place and is never blank`, withMockRelay(async ({ relay, open }) => {
    // Half of this size has a slightly different shape after rounding.
    const stream = relay.add('door', inThreeSizes(854, 480));
    const page = await open('', {}, before);
    await untilShows(page, 'door', FULL);
    await page.waitForSelector('#actions button');
    await watchClosely(page, 'door');
    for (const [carries, rendition] of /** @type {const} */ ([[2, QUARTER], [0, FULL], [1, HALF], [2, QUARTER], [0, FULL]])) {
      stream.carries = carries;
      await untilShows(page, 'door', rendition);
      await untilMoves(page, 'door');
    }
    const { seen, looks } = await whatWasSeen(page);
    assert.deepEqual(seen, []);
    assert.ok(looks > 20, String(looks));
    assert.equal(relay.connections, 1);
  }));
}

test('a lower resolution is shown in the status line until all tiles have full size again', withMockRelay(async ({ relay, open }) => {
  const [door, hall] = [relay.add('door', inThreeSizes()), relay.add('hall', inThreeSizes())];
  const page = await open();
  await untilMoves(page, 'hall');
  await page.waitForSelector('#actions button');
  const before = await page.locator('[data-stream="door"]').boundingBox();
  door.transit = hall.transit = 90;
  await untilStarted(page, 'hall');
  door.carries = hall.carries = 2;
  await page.waitForSelector('#status-line.shown >> text=Slow connection: lower resolution');
  assert.deepEqual(await page.locator('[data-stream="door"]').boundingBox(), before, 'nothing moved');
  relay.setState('door', 'slow', '');
  await page.waitForSelector('#status-line.shown >> text=Slow connection: lower frame rate');
  relay.setState('door', 'live', '');
  await page.waitForSelector('#status-line.shown >> text=Slow connection: lower resolution');
  door.carries = 0;
  await untilShows(page, 'door', FULL);
  hall.carries = 0;
  await page.waitForSelector('#status-line.shown >> text=Full resolution again');
  await page.waitForSelector('#status-line:not(.shown)', { state: 'attached' });
}));

test('of two tiles one shrinks and grows, and the other is not affected', withMockRelay(async ({ relay, open }) => {
  const door = relay.add('door', inThreeSizes());
  relay.add('hall', inThreeSizes());
  const page = await open();
  await untilMoves(page, 'hall');
  await untilShows(page, 'door', FULL);
  door.carries = 2;
  await untilShows(page, 'door', QUARTER);
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  assert.ok((await sequenceOf(page, 'hall')) < FULL.below);
  door.carries = 0;
  await untilShows(page, 'door', FULL);
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  assert.equal(relay.connections, 1);
}));

test('details show the rendition, the reason and other sizes, and the latency is updated', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', inThreeSizes());
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  const row = (/** @type {string} */ term) => page.locator(`.details dt:text-is("${term}") + dd`);
  await row('Stream size').filter({ hasText: 'full · JPEG' }).waitFor();
  await row('Resolution').filter({ hasText: /^640 × 360$/ }).waitFor();
  await row('Other sizes').filter({ hasText: 'half 320 × 180, quarter 160 × 90' }).waitFor();
  await untilStarted(page, 'door');
  Object.assign(stream, { carries: 1, transit: 90 });
  await row('Stream size').filter({ hasText: 'half · JPEG' }).waitFor();
  await row('Resolution').filter({ hasText: '320 × 180, reduced: slow connection' }).waitFor();
  Object.assign(stream, { delay: 300, stage: 'bus', transit: 0 });
  await page.waitForSelector('.latency >> text=/^Slowest: bus, 300 ms$/');
}));

test('a paused wall is stepped back over a change of size', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', inThreeSizes());
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  // The history starts soon after the first picture.
  await page.keyboard.press('Space');
  await page.waitForSelector('.pause-bar >> text=/at \\d\\d:/');
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  await untilShows(page, 'door', { ...FULL, above: (await sequenceOf(page, 'door')) + 5 });
  stream.carries = 2;
  await untilShows(page, 'door', QUARTER);
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  const before = await page.locator('[data-stream="door"] canvas').boundingBox();
  for (let step = 0; (await sequenceOf(page, 'door')) > FULL.below; step += 1) {
    assert.ok(step < 20, 'as many frames as two seconds have');
    const moment = await page.textContent('.pause-bar .moment');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((moment) => document.querySelector('.moment')?.textContent !== moment, moment);
  }
  await untilState(page, 'door', 'paused');
  assert.deepEqual(await page.locator('[data-stream="door"] canvas').boundingBox(), before);
  await page.keyboard.press('Space');
  await untilShows(page, 'door', QUARTER);
  await untilMoves(page, 'door');
}));

test('synced tiles stay in sync when one of them shrinks', withMockRelay(async ({ relay, open }) => {
  Object.assign(relay.add('door', inThreeSizes()), { delay: 20, grid: 100 });
  const hall = Object.assign(relay.add('hall', inThreeSizes()), { delay: 320, grid: 100 });
  const page = await open();
  await untilMoves(page, 'hall');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('s');
  await page.waitForSelector('#status-line.shown >> text=/^In sync, .* behind live$/');
  for (const [carries, rendition] of /** @type {const} */ ([[2, QUARTER], [0, FULL]])) {
    hall.carries = carries;
    await untilShows(page, 'hall', rendition);
    await untilMoves(page, 'hall');
    await page.waitForFunction(() => {
      const [door, hall] = ['door', 'hall'].map((name) => document.querySelector(`[data-stream="${name}"]`));
      const apart = Number(door?.getAttribute('data-captured')) - Number(hall?.getAttribute('data-captured'));
      return Math.abs(apart) <= 100_000;
    });
    await untilState(page, 'hall', 'live');
  }
}));

test('a device that decodes too slowly is not reported as a slow link', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.before.set('/worker/main.js', `
    const decode = self.createImageBitmap.bind(self);
    self.createImageBitmap = (blob) => new Promise((resolve) => setTimeout(resolve, 400)).then(() => decode(blob));
  `);
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await untilMoves(page, 'door');
  relay.setState('door', 'slow', '');
  await page.waitForSelector("#status-line.shown >> text=This device can't keep up: lower frame rate");
  await page.keyboard.press('i');
  await until(page, '.details', 'text', "Lower frame ratethis device can't keep up");
}));
