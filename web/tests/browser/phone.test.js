import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, PHONE, untilMoves, withMockRelay } from './harness.js';

const SMALL_PHONE = { ...PHONE, viewport: { width: 320, height: 640 } };
const PHONES = [PHONE, SMALL_PHONE];

/**
 * Asserts that an element is visible and within the window.
 * @param {import('playwright-core').Page} page @param {string} selector @returns {Promise<{ x: number, y: number, width: number, height: number }>}
 */
async function assertFits(page, selector) {
  const box = await page.locator(selector).boundingBox();
  const width = page.viewportSize()?.width ?? 0;
  assert.ok(box && box.width > 0 && box.x >= 0 && box.x + box.width <= width, `${selector} at ${JSON.stringify(box)} in ${width}`);
  return box;
}

test('a phone has every button, full screen too, and the state of the wall', withMockRelay(async ({ relay, open }) => {
  for (const name of ['door', 'hall']) relay.add(name, moving());
  relay.add('yard', { width: 640, height: 360, fps: 10, pictures: [] }, { state: 'offline', reason: 'camera unplugged' });
  for (const phone of PHONES) {
    const page = await open('', phone);
    await untilMoves(page, 'door');
    await page.waitForSelector('#actions button');
    for (const label of ['Sync', 'Pause', 'Copy', 'Details', 'Full screen', 'Keyboard']) {
      const { width, height } = await assertFits(page, `#actions [aria-label^="${label}"]`);
      assert.ok(width >= 44 && height >= 44, label);
    }
    await page.waitForSelector('#summary >> text=3 cameras, 1 offline');
    const { scrollWidth, clientWidth } = await page.$eval('#summary', ({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    assert.ok(scrollWidth <= clientWidth, 'the state of the wall is not cut off');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), phone.viewport.width);
    await page.tap('#actions [aria-label="Full screen"]');
    await page.waitForFunction(() => document.fullscreenElement !== null);
    await page.close();
  }
}));

test('messages fit a phone, and cover no button', withMockRelay(async ({ relay, open }) => {
  relay.snapshots = false;
  relay.add('a-camera-with-a-name-of-sixty-four-characters-at-the-back-door-0', moving());
  for (const phone of PHONES) {
    const page = await open('', { ...phone, permissions: ['clipboard-read', 'clipboard-write'] });
    await page.waitForSelector('[data-state="live"]');
    await page.waitForSelector('#actions button');
    await page.tap('#actions [aria-label^="Copy"]');
    await page.waitForSelector('#flash:not(:empty)');
    const flash = await assertFits(page, '#flash');
    const { y, height } = await assertFits(page, '#actions');
    assert.ok(flash.y >= y + height, 'below the buttons');
    await page.keyboard.press('p');
    await page.waitForSelector('#status-line.shown >> text=picture saved');
    await assertFits(page, '#status-line');
    const fits = await page.$eval('#status-line', ({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth);
    assert.ok(fits, 'a long name is broken into lines');
    await page.close();
  }
}));

test('the help begins with gestures on a phone, and with keys elsewhere', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  for (const options of [...PHONES, undefined]) {
    const page = await open('', options);
    await untilMoves(page, 'door');
    await page.click('#actions [aria-label^="Keyboard"]');
    await page.waitForSelector('dialog h2');
    const titles = await page.$$eval('dialog h2', (titles) => titles.map(({ textContent }) => textContent));
    assert.deepEqual(titles, options ? ['Gestures', 'Keys'] : ['Keys', 'Mouse']);
    const fits = await page.$eval('dialog', ({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth);
    assert.ok(fits);
    await page.close();
  }
}));

test('a narrow tile keeps its name, and the names of the values', withMockRelay(async ({ relay, open }) => {
  const names = Array.from({ length: 24 }, (_, index) => `yard-${index}`);
  for (const name of names) relay.add(name, moving(90, 160));
  const page = await open('', { viewport: { width: 844, height: 390 } });
  await page.waitForSelector('[data-stream="yard-0"][data-state="live"]');
  await page.waitForSelector('#actions button');
  const tile = await page.locator('[data-stream="yard-0"]').boundingBox();
  assert.ok(tile && tile.width < 130, JSON.stringify(tile));
  const whole = (/** @type {string} */ selector) => page.$eval(selector, ({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth);
  assert.ok(await whole('[data-stream="yard-0"] .name'), 'the name is not cut off');
  await page.keyboard.press('i');
  await page.waitForSelector('[data-stream="yard-0"] .details dt >> text=Resolution');
  assert.ok(await page.isVisible('[data-stream="yard-0"] .details dt >> text=Resolution'));
}));

test('an empty wall fits a phone', withMockRelay(async ({ relay, open }) => {
  const since = Date.now() * 1000;
  relay.listening = [{ endpoint: '/run/user/1000/fanlight', heard: false, connected: false, since, reason: '' }];
  relay.setup = { capture: '~/somewhere/else/fanlight/target/release/fanlight-capture', webcams: [{ device: '/dev/video0', name: 'HD WebCam' }] };
  for (const phone of PHONES) {
    const page = await open('', phone);
    await page.waitForSelector('.command');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), phone.viewport.width);
    await assertFits(page, '.command >> nth=1');
    await page.close();
  }
}));
