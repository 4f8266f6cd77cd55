import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capturedOf, moving, numberOn, PHONE, sequenceOf, until, untilAttribute, untilMoves, untilState, video, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */

const GRID = 100;

/** Adds two cameras with common capture times, one of them late. @param {import('../mock-relay.js').MockRelay} relay */
function addTwo(relay) {
  const early = relay.add('door', moving());
  const late = relay.add('hall', moving());
  Object.assign(early, { delay: 20, grid: GRID });
  Object.assign(late, { delay: 420, grid: GRID });
  return { early, late };
}

/**
 * Waits until the pictures of two tiles are between `least` and `most` milliseconds apart, five times in a row.
 * @param {Page} page @param {{ least: number, most: number }} apart
 */
async function untilApart(page, apart) {
  await page.evaluate(() => Object.assign(globalThis, { looks: 0, last: '' }));
  await page.waitForFunction(({ least, most }) => {
    const state = /** @type {{ looks: number, last: string }} */ (/** @type {unknown} */ (globalThis));
    const tiles = ['door', 'hall'].map((name) => document.querySelector(`[data-stream="${name}"]`));
    const [door = '', hall = ''] = tiles.map((tile) => tile?.getAttribute('data-captured') ?? '');
    if (door === state.last) return false;
    state.last = door;
    const apart = Math.abs(Number(door) - Number(hall)) / 1000;
    state.looks = apart >= least && apart <= most ? state.looks + 1 : 0;
    return state.looks >= 5;
  }, apart);
}

/** @param {Page} page */
async function openControls(page) {
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
}

test('the key s shows tiles of different ages at the same instant, and ends it again', withMockRelay(async ({ relay, open }) => {
  addTwo(relay);
  const page = await open();
  await openControls(page);
  await untilMoves(page, 'hall');
  await untilApart(page, { least: 300, most: 600 });
  await page.keyboard.press('s');
  await page.waitForSelector('#actions [aria-label="Sync all cameras"][aria-pressed="true"]');
  await page.waitForSelector('#status-line.shown >> text=/^In sync, .* behind live$/');
  await untilApart(page, { least: 0, most: GRID });
  await page.waitForSelector('#status-line:not(.shown)', { state: 'attached' });
  await page.keyboard.press('s');
  await page.waitForSelector('#actions [aria-label="Sync all cameras"][aria-pressed="false"]');
  await untilApart(page, { least: 300, most: 600 });
}));

test('synced frames that wait are acknowledged when they arrive', withMockRelay(async ({ relay, open }) => {
  const { early } = addTwo(relay);
  const page = await open();
  await openControls(page);
  await untilMoves(page, 'hall');
  await page.click('#actions [aria-label="Sync all cameras"]');
  await untilApart(page, { least: 0, most: GRID });
  const { id } = await relay.waitForMessage(({ type, stream }) => type === 'watch' && stream === 'door');
  const acknowledged = () => relay.received.filter((said) => said.type === 'ack' && said.id === id).map(({ sequence }) => sequence);
  // Four frames wait. The last one is not acknowledged before the next is sent.
  await relay.until(() => early.sequence - Math.max(...acknowledged()) <= 1);
  assert.ok(early.sequence - (await sequenceOf(page, 'door')) > 1, 'it is not shown yet');
}));

test('a tile that is too late is not synced, and says so', withMockRelay(async ({ relay, open }) => {
  const { late } = addTwo(relay);
  late.delay = 3000;
  const page = await open();
  await openControls(page);
  await page.keyboard.press('s');
  await until(page, '[data-stream="hall"] .status', 'text', 'Too far behind to sync');
  await untilMoves(page, 'hall');
  await untilMoves(page, 'door');
  assert.equal(await page.textContent('[data-stream="door"] .status'), '');
}));

test('Space pauses all tiles, arrows step them in capture time, and Space resumes', withMockRelay(async ({ relay, open }) => {
  const { early } = addTwo(relay);
  const page = await open();
  await openControls(page);
  await untilMoves(page, 'hall');
  await remember(page);
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  await untilState(page, 'hall', 'paused');
  assert.equal(await page.textContent('[data-stream="door"] .status'), 'Paused');
  await untilHeld(page);
  const [door, hall] = [await capturedOf(page, 'door'), await capturedOf(page, 'hall')];
  const from = early.sequence;
  await relay.until(() => early.sequence >= from + 5);
  await page.waitForSelector('[data-stream="door"] .age >> text=/^[1-9]\\d* s ago$/');
  assert.deepEqual([await capturedOf(page, 'door'), await capturedOf(page, 'hall')], [door, hall]);
  // Steps back to the frame of the later tile, one frame of the earlier one at a time. From there both step together.
  const back = hall - 2 * GRID * 1000;
  for (let step = 0; (await capturedOf(page, 'hall')) > back; step += 1) {
    assert.ok(step < 20, 'as many frames as two seconds have');
    const before = await momentOf(page);
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((before) => document.querySelector('.moment')?.textContent !== before, before);
  }
  await page.waitForFunction(() => {
    const tiles = ['door', 'hall'].map((name) => document.querySelector(`[data-stream="${name}"]`));
    const [door, hall] = tiles.map((tile) => tile?.getAttribute('data-captured'));
    return door === hall;
  });
  const sequence = await sequenceOf(page, 'door');
  await page.click('.pause-bar [aria-label="Next frame"]');
  await untilAttribute(page, 'door', 'data-sequence', { above: sequence });
  assert.equal(await page.evaluate(() => document.activeElement?.closest('.tile')), null, 'arrows moved no focus');
  await page.focus('[data-stream="door"] .view');
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  assert.equal(await page.isVisible('.pause-bar'), false);
}));

test('a paused wall stays paused when the link breaks, and never looks live', withMockRelay(async ({ relay, open }) => {
  addTwo(relay);
  const page = await open();
  await openControls(page);
  await page.keyboard.press('Space');
  await untilHeld(page);
  const before = await sequenceOf(page, 'door');
  relay.cut();
  await relay.until(() => relay.connections === 2);
  await relay.waitForMessage(({ type, sequence }) => type === 'ack' && sequence > before + 3);
  await untilState(page, 'door', 'paused');
  assert.equal(await sequenceOf(page, 'door'), before);
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
}));

test('on a phone an enlarged tile is paused and stepped by touch', withMockRelay(async ({ relay, open }) => {
  addTwo(relay);
  const page = await open('?stream=door', PHONE);
  await openControlsEnlarged(page);
  await remember(page);
  await page.tap('.enlarged .tools .pause');
  await untilState(page, 'door', 'paused');
  await untilHeld(page);
  const before = await sequenceOf(page, 'door');
  await page.tap('.pause-bar [aria-label="Previous frame"]');
  await untilAttribute(page, 'door', 'data-sequence', { below: before });
  const box = await page.locator('.pause-bar').boundingBox();
  assert.ok(box && box.x >= 0 && box.x + box.width <= 390, JSON.stringify(box));
  await page.tap('.pause-bar >> text=Back to live');
  await untilMoves(page, 'door');
}));

/** Waits until the page remembers a second: the history starts a while after the first picture. @param {Page} page */
async function remember(page) {
  await page.keyboard.press('Space');
  await untilHeld(page);
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  const from = await sequenceOf(page, 'door');
  await untilAttribute(page, 'door', 'data-sequence', { above: from + 10 });
}

/** Waits until the worker has paused the wall too: a frame may still be painted before. @param {Page} page */
async function untilHeld(page) {
  await page.waitForSelector('.pause-bar >> text=/at \\d\\d:\\d\\d:\\d\\d[.,]\\d\\d/');
}

/** @param {Page} page */
const momentOf = (page) => page.textContent('.pause-bar .moment');

/** @param {Page} page */
async function openControlsEnlarged(page) {
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button', { state: 'attached' });
}

test('H.264 is synced, paused, stepped and resumed without another keyframe', withMockRelay(async ({ relay, open }) => {
  const early = relay.add('door', video());
  const late = relay.add('hall', video());
  Object.assign(early, { delay: 20, grid: GRID });
  Object.assign(late, { delay: 420, grid: GRID });
  const page = await open();
  await page.waitForSelector('[data-stream="hall"][data-codec="h264"]');
  await openControls(page);
  await page.keyboard.press('s');
  await page.waitForSelector('#status-line.shown >> text=/^In sync, .* behind live$/');
  await untilApart(page, { least: 0, most: GRID });
  await page.keyboard.press('Space');
  await untilHeld(page);
  const at = await capturedOf(page, 'hall');
  for (let step = 0; step < 4; step += 1) {
    const before = await momentOf(page);
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction((before) => document.querySelector('.moment')?.textContent !== before, before);
  }
  await untilAttribute(page, 'hall', 'data-captured', { below: at });
  await page.waitForFunction(() => {
    const [door, hall] = ['door', 'hall'].map((name) => document.querySelector(`[data-stream="${name}"]`)?.getAttribute('data-captured'));
    return door === hall;
  });
  assert.equal(await numberOn(page, 'hall'), (await sequenceOf(page, 'hall')) % 60);
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  assert.deepEqual(relay.received.filter(({ type }) => type === 'keyframe'), []);
}));
