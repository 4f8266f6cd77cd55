import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capturedOf, moving, PHONE, sequenceOf, until, untilAttribute, untilMoves, untilState, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */

const NAMES = ['attic', 'cellar', 'door', 'garden'];

/** @param {import('../mock-relay.js').MockRelay} relay @param {(path?: string, options?: object) => Promise<Page>} open */
async function openFour(relay, open, path = '', options = {}) {
  for (const name of NAMES) relay.add(name, moving());
  const page = await open(path, options);
  await untilMoves(page, path.includes('stream=door') ? 'door' : 'attic');
  await page.waitForSelector('#actions button', { state: 'attached' });
  await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
  return page;
}

const tile = (/** @type {string} */ name) => `.tile[data-stream="${name}"]`;
const view = (/** @type {string} */ name) => `${tile(name)} .view`;

/** @param {Page} page */
const untilFull = (page, full = true) => page.waitForFunction((full) => (document.fullscreenElement !== null) === full, full);
/** @param {Page} page */
const untilWall = (page) => page.waitForSelector('.enlarged', { state: 'detached' });
/** @param {Page} page */
const reloaded = (page) => page.evaluate(() => !('sameDocument' in globalThis));

test('the mouse over a tile shows its name, its age and one line, and no details', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  await page.hover(view('door'));
  await page.waitForSelector(`${tile('door')} .summary >> text=/^320 × 180 · [\\d.]+ fps · JPEG$/`);
  const line = await page.locator(`${tile('door')} .line`).boundingBox();
  const caption = await page.locator(`${tile('door')} .caption`).boundingBox();
  assert.ok(line && caption && caption.height < 3 * line.height, JSON.stringify(caption));
  assert.equal(await page.isVisible(`${tile('attic')} .summary`), false);
  // The details request the journey of a frame as soon as they open.
  assert.equal(relay.received.some(({ type }) => type === 'journey'), false);
  await page.click(`${tile('door')} [aria-label="Details"]`);
  await page.waitForSelector(`${tile('door')} .details >> text=Stream size`);
  assert.equal(await page.isVisible(`${tile('door')} .summary`), false);
  await relay.waitForMessage(({ type }) => type === 'journey');
}));

test('a line of trouble is the one line on hover', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  await page.hover(view('door'));
  await page.waitForSelector(`${tile('door')} .summary >> text=JPEG`);
  relay.setState('door', 'late', 'frames arrive 3 s old');
  await page.waitForSelector(`${tile('door')} .status >> text=Frames arrive 3 s old`);
  assert.equal(await page.isVisible(`${tile('door')} .summary`), false);
}));

test('a double click on the wall shows a tile in full screen, and another one returns to the wall', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  const box = await page.locator(view('garden')).boundingBox();
  assert.ok(box);
  await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2);
  await untilFull(page);
  await page.waitForSelector(`${tile('garden')}.enlarged`);
  assert.equal(await page.$('.details-open'), null);
  await untilMoves(page, 'garden');
  await page.dblclick('.enlarged .view');
  await untilFull(page, false);
  await untilWall(page);
  assert.equal(await page.$('.details-open'), null);
}));

test('a double click on an enlarged tile switches full screen on and off, and a single one its details', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, '?stream=door');
  await page.dblclick('.enlarged .view');
  await untilFull(page);
  await page.dblclick('.enlarged .view');
  await untilFull(page, false);
  assert.equal(await page.$('.enlarged.details-open'), null);
  await page.click('.enlarged .view');
  await page.waitForSelector('.enlarged.details-open');
  await page.click('.enlarged [aria-label="Full screen"]');
  await untilFull(page);
  await page.click('.enlarged [aria-label="Back to wall"]');
  await untilWall(page);
  assert.equal(await page.evaluate(() => document.fullscreenElement !== null), true, 'it did not begin on the wall');
}));

test('on a phone a double tap shows a tile in full screen', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, '', PHONE);
  const box = await page.locator(tile('attic')).boundingBox();
  assert.ok(box);
  // The first tap makes the button that leads back to the wall appear here. The second must not hit it.
  await page.touchscreen.tap(box.x + 24, box.y + 12);
  await page.touchscreen.tap(box.x + 30, box.y + 10);
  await untilFull(page);
  await page.waitForSelector(`${tile('attic')}.enlarged`);
  assert.equal(await page.$('.details-open'), null);
}));

test('Back closes an enlarged tile and Forward opens it again, without a reload', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  await page.click(view('door'));
  await page.waitForURL(`${relay.address}?stream=door`);
  await page.keyboard.press('ArrowRight');
  await page.waitForURL(`${relay.address}?stream=garden`);
  await page.goBack();
  await untilWall(page);
  assert.equal(page.url(), relay.address, 'one step back, however many cameras were shown');
  await untilMoves(page, 'attic');
  await page.goForward();
  await page.waitForSelector(`${tile('garden')}.enlarged`);
  await untilMoves(page, 'garden');
  assert.equal(await reloaded(page), false);
  assert.equal(relay.connections, 1);
}));

test('closing a tile leaves no entry in the history, even if the next one is opened immediately', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, '?order=garden&large=garden');
  const entries = await page.evaluate(() => history.length);
  await page.click(view('door'));
  await page.waitForURL(/stream=door/);
  await page.keyboard.press('r');
  await page.keyboard.press('Escape');
  // Without the layout, which was changed.
  await page.waitForURL(relay.address);
  await page.evaluate(() => {
    const views = ['attic', 'cellar'].map((name) => document.querySelector(`[data-stream="${name}"] .view`));
    const keys = [() => views[0], () => document.querySelector('.enlarged .back'), () => views[1]];
    for (const key of keys) {
      const button = key();
      if (button instanceof HTMLElement) button.click();
    }
  });
  await page.waitForURL(`${relay.address}?stream=cellar`);
  await page.waitForSelector(`${tile('cellar')}.enlarged`);
  assert.equal(await page.evaluate(() => history.length), entries + 1);
  await page.goBack();
  await untilWall(page);
  assert.equal(await reloaded(page), false);
}));

test('a page that was opened with a tile closes it without leaving the page', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, '?stream=door');
  await page.keyboard.press('Escape');
  await untilWall(page);
  await page.waitForURL(relay.address);
  assert.equal(await reloaded(page), false);
}));

test('a paused wall steps by the frames of the tile under the pointer, or of the enlarged one', withMockRelay(async ({ relay, open }) => {
  // Each camera has times of its own: between two frames of one are frames of the others.
  const page = await openFour(relay, open);
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  const from = await sequenceOf(page, 'door');
  await untilAttribute(page, 'door', 'data-sequence', { above: from + 15 });
  await page.hover(view('door'));
  await page.keyboard.press('Space');
  await page.waitForSelector('.pause-bar >> text=/at \\d\\d:/');
  await stepsByOne(page, 'door', 'ArrowLeft', -1);
  await stepsByOne(page, 'door', 'ArrowLeft', -1);
  await stepsByOne(page, 'door', ',', -1);
  await stepsByOne(page, 'door', '.', 1);
  await page.click(view('garden'));
  await page.waitForSelector(`${tile('garden')}.enlarged`);
  await stepsByOne(page, 'garden', 'ArrowLeft', -1);
  await stepsByOne(page, 'garden', 'ArrowLeft', -1);
  await page.click('.pause-bar [aria-label="Next frame"]');
}));

/** Presses a key, and checks that it shows the next frame of a tile. @param {Page} page @param {string} stream @param {string} key @param {number} by */
async function stepsByOne(page, stream, key, by) {
  const before = await sequenceOf(page, stream);
  const at = await capturedOf(page, stream);
  await page.keyboard.press(key);
  await page.waitForFunction(
    ([stream, at]) => Number(document.querySelector(`[data-stream="${stream}"]`)?.getAttribute('data-captured')) !== at,
    /** @type {const} */ ([stream, at]),
  );
  assert.equal(await sequenceOf(page, stream), before + by);
}

test('the key for a step pauses a live wall first', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  await page.keyboard.press(',');
  await untilState(page, 'door', 'paused');
}));

test('keys act on the tile under the pointer or with the focus, whichever moved last', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  const turned = () => page.$$eval('.tile:not([data-rotation="0"])', (tiles) => tiles.map((tile) => tile.getAttribute('data-stream')));
  const focused = () => page.evaluate(() => document.activeElement?.closest('.tile')?.getAttribute('data-stream'));
  await page.keyboard.press('ArrowRight');
  // Above the pointer is another tile than above the focus.
  await page.hover(view('garden'));
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'cellar');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await focused(), 'attic');
  await page.keyboard.press('r');
  assert.deepEqual(await turned(), ['attic']);
  await page.hover(view('door'));
  await page.keyboard.press('r');
  assert.deepEqual(await turned(), ['attic', 'door']);
  await page.keyboard.press('i');
  await page.waitForSelector(`${tile('door')}.details-open`);
  assert.equal((await page.$$('.details-open')).length, 1);
  await page.keyboard.press('Shift+I');
  await page.waitForFunction(() => document.querySelectorAll('.details-open').length === 4);
  // The layout has moved under the resting mouse. Its next move counts.
  await page.hover(view('garden'), { position: { x: 30, y: 30 } });
  await page.keyboard.press('Enter');
  await page.waitForSelector(`${tile('garden')}.enlarged`);
}));

test('after a click on a button Space still pauses, and a button that was reached by keys is pressed', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  const sync = '#actions [aria-label="Sync all cameras"]';
  await page.click(sync);
  await page.waitForSelector(`${sync}[aria-pressed="true"]`);
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  assert.equal(await page.getAttribute(sync, 'aria-pressed'), 'true');
  await page.hover(view('door'));
  await page.click(`${tile('door')} [aria-label="Rotate"]`);
  await page.keyboard.press('Space');
  await page.waitForSelector('[data-state="paused"]', { state: 'detached' });
  assert.equal(await page.getAttribute(tile('door'), 'data-rotation'), '90');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Details');
  await page.keyboard.press('Space');
  await page.waitForSelector(`.details-open${tile('door')}`);
  assert.equal(await page.$('[data-state="paused"]'), null);
}));

test('after dragging a line Space resumes', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open);
  await page.hover(view('door'));
  const line = await page.locator(`${tile('door')} .scrubber`).boundingBox();
  assert.ok(line);
  await page.mouse.click(line.x + line.width * 0.9, line.y + line.height - 6);
  await untilState(page, 'door', 'paused');
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  await until(page, '#summary', 'text', '4 cameras');
}));
