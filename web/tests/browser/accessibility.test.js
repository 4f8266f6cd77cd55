import assert from 'node:assert/strict';
import { test } from 'node:test';
import axe from 'axe-core';
import { moving, PHONE, untilMoves, untilState, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */
/** @typedef {import('../mock-relay.js').MockRelay} MockRelay */
/** @typedef {(path?: string, options?: Options) => Promise<Page>} Open */

const NAMES = ['attic', 'cellar', 'door', 'garden'];
const WIDE = { viewport: { width: 1280, height: 800 } };
/** axe itself writes style sheets, which the page's policy forbids. */
const bypassCSP = true;
const SCREENS = /** @type {const} */ ([
  ['a desktop', { ...WIDE, bypassCSP, colorScheme: 'dark' }],
  ['a desktop in light colours', { ...WIDE, bypassCSP, colorScheme: 'light' }],
  ['a phone', { ...PHONE, bypassCSP, colorScheme: 'dark' }],
]);

/** @param {MockRelay} relay @param {Open} open @param {Options} options */
async function openFour(relay, open, options, path = '') {
  for (const name of NAMES) relay.add(name, moving());
  relay.add('yard', [], { state: 'offline', reason: 'camera unplugged' });
  const page = await open(path, options);
  await untilMoves(page, path ? 'door' : 'attic');
  await page.waitForSelector('#actions button', { state: 'attached' });
  return page;
}

const tile = (/** @type {string} */ name) => `.tile[data-stream="${name}"]`;

/** Fails with what axe finds wrong on the page. @param {Page} page @param {string} state */
async function assertClean(page, state) {
  await page.evaluate(axe.source);
  const findings = await page.evaluate(async () => {
    const { axe } = /** @type {{ axe: typeof import('axe-core') }} */ (/** @type {unknown} */ (globalThis));
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join('\n  ')}`);
  });
  assert.deepEqual(findings, [], state);
}

for (const [screen, options] of SCREENS) {
  test(`axe finds nothing on ${screen}`, withMockRelay(async ({ relay, open }) => {
    const page = await openFour(relay, open, options);
    await assertClean(page, 'wall');
    await page.focus(`${tile('door')} .view`);
    await page.keyboard.press('i');
    await page.waitForSelector(`${tile('door')}.details-open .stage-list`, { state: 'attached' });
    await page.waitForSelector(`${tile('door')} .details >> text=Stream size`);
    await assertClean(page, 'wall with details');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${tile('door')}.enlarged`);
    await assertClean(page, 'enlarged with details');
    await page.keyboard.press('i');
    await assertClean(page, 'enlarged');
    await page.keyboard.press('Space');
    await page.waitForSelector('.pause-bar >> text=/at \\d\\d:/');
    await assertClean(page, 'enlarged and paused');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.enlarged', { state: 'detached' });
    await assertClean(page, 'paused');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await assertClean(page, 'help');
  }));

  test(`axe finds nothing on an empty wall and at a locked door on ${screen}`, withMockRelay(async ({ relay, open }) => {
    relay.listening = [{ endpoint: 'ipc:///run/fanlight', reason: '', heard: false, connected: false, since: Date.now() * 1000 }];
    const page = await open('', options);
    await page.waitForSelector('#panel .setup');
    await assertClean(page, 'empty wall');
    relay.token = 'secret';
    await page.reload();
    await page.waitForSelector('.token-form');
    await assertClean(page, 'token');
  }));
}

for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
  test(`the tile with the focus has a ring that contrasts with any picture, in ${colorScheme} colours`, withMockRelay(async ({ relay, open }) => {
    const page = await openFour(relay, open, { ...WIDE, colorScheme });
    const box = await page.locator(tile('attic')).boundingBox();
    assert.ok(box);
    const clip = { x: Math.ceil(box.x), y: Math.round(box.y + box.height / 2), width: 8, height: 1 };
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector(`${tile('attic')} .view:focus-visible`);
    const row = await luminances(page, await page.screenshot({ clip }));
    const [ring = 0, inner = 0] = [row[2], row[5]];
    const contrast = (Math.max(ring, inner) + 0.05) / (Math.min(ring, inner) + 0.05);
    // So any picture contrasts with one of the two by at least 3:1.
    assert.ok(contrast >= 9, `${contrast}: ${row}`);
  }));
}

/** Returns the relative luminance of the pixels of an image. @param {Page} page @param {Buffer} png @returns {Promise<number[]>} */
function luminances(page, png) {
  return page.evaluate(async (address) => {
    const image = new Image();
    image.src = address;
    await image.decode();
    const context = document.createElement('canvas').getContext('2d');
    if (!context) throw new Error('no canvas');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, 1);
    const linear = (/** @type {number} */ value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return Array.from({ length: image.width }, (_, x) => {
      const [red = 0, green = 0, blue = 0] = [...data.slice(4 * x, 4 * x + 3)].map((value) => linear(value / 255));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    });
  }, `data:image/png;base64,${png.toString('base64')}`);
}

test('the details are open to keys and screen readers, and their button says whether they are open', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, WIDE);
  const button = page.locator(`${tile('attic')}`).getByRole('button', { name: 'Details' });
  await page.keyboard.press('ArrowRight');
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  await page.keyboard.press('i');
  assert.equal(await button.getAttribute('aria-expanded'), 'true');
  await page.waitForSelector('#announcements >> text=attic: details shown', { state: 'attached' });
  const details = page.getByRole('group', { name: 'attic: details' });
  await details.getByRole('definition').filter({ hasText: '320 × 180' }).first().waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await details.evaluate((element) => element === document.activeElement), true);
  assert.equal(await button.getAttribute('aria-controls'), await details.getAttribute('id'));
  await page.keyboard.press('i');
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  await page.waitForSelector(`${tile('attic')} .view:focus`);
  const help = page.getByRole('button', { name: 'Keyboard and gestures' });
  const all = page.getByRole('button', { name: 'Details of all cameras' });
  await page.keyboard.press('Shift+I');
  await page.waitForSelector('#actions [aria-label="Details of all cameras"][aria-expanded="true"]');
  assert.equal(await all.getAttribute('aria-expanded'), 'true');
  assert.equal(await help.getAttribute('aria-expanded'), 'false');
  await help.click();
  await page.getByRole('dialog', { name: 'Keyboard and gestures' }).waitFor();
  assert.equal(await page.locator('#help').getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#help[aria-expanded="false"]');
}));

test('details keep their elements while their values change', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, WIDE);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('i');
  await page.waitForSelector(`${tile('attic')} dd`);
  await page.evaluate(() => document.querySelector('dd')?.setAttribute('data-kept', ''));
  await untilMoves(page, 'attic');
  await untilMoves(page, 'attic');
  assert.ok(await page.$('dd[data-kept]'));
}));

test('behind an enlarged tile nothing gets the focus', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, WIDE, '?stream=door');
  for (let press = 0; press < 12; press += 1) {
    await page.keyboard.press('Tab');
    const where = await page.evaluate(() => {
      const { activeElement } = document;
      return activeElement === document.body || activeElement?.closest('.enlarged') ? '' : activeElement?.outerHTML;
    });
    assert.equal(where, '');
  }
}));

/** Returns what is smaller than `least` pixels of the visible targets. @param {Page} page @param {string} selector @param {number} least */
function tooSmall(page, selector, least) {
  return page.$$eval(
    selector,
    (targets, least) =>
      targets
        .map((target) => ({ box: target.getBoundingClientRect(), name: target.getAttribute('aria-label') ?? target.textContent }))
        .filter(({ box }) => box.width > 0 && (box.width < least || box.height < least))
        .map(({ box, name }) => `${name}: ${box.width} × ${box.height}`),
    least,
  );
}

test('what is pressed is large enough: 24 pixels for a mouse, 44 for a finger', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, WIDE);
  await page.hover(`${tile('attic')} .view`);
  assert.deepEqual(await tooSmall(page, 'button, .scrubber', 24), []);
  const phone = await open('?stream=door', PHONE);
  await untilMoves(phone, 'door');
  await phone.waitForSelector('.enlarged .scrubber');
  await phone.tap('.enlarged .tools .pause');
  await untilState(phone, 'door', 'paused');
  assert.deepEqual(await tooSmall(phone, 'button, .scrubber', 44), []);
  const tools = await phone.$$eval('.enlarged .tools button', (buttons) =>
    buttons.map((button) => button.getBoundingClientRect().toJSON()).filter(({ width }) => width > 0),
  );
  assert.equal(tools.length, 7);
  for (const { left, right } of tools) assert.ok(left >= 0 && right <= 390, `${left} to ${right}`);
  // Each has its name below its icon, because nothing shows it on a touch screen.
  const names = await phone.$$eval('.enlarged .tools .label', (labels) => labels.filter((label) => label.checkVisibility()).map((label) => label.textContent));
  assert.deepEqual(names, ['Back', 'Pause', 'Picture', 'Clip', 'Details', 'Rotate', 'Full']);
}));

test('details fit a small tile and a phone on its side: they scroll, and cover no tool', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, { viewport: { width: 560, height: 420 } });
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('i');
  await page.waitForSelector(`${tile('attic')} dd`);
  await assertScrolls(page, tile('attic'));
  const phone = await open('?stream=door', { ...PHONE, viewport: { width: 844, height: 390 } });
  await untilMoves(phone, 'door');
  await phone.waitForSelector('.enlarged .scrubber');
  await phone.tap('.enlarged [aria-label="Pause"]');
  await untilState(phone, 'door', 'paused');
  await phone.tap('.enlarged [aria-label="Details"]');
  await phone.waitForSelector('.enlarged dd');
  await assertScrolls(phone, '.enlarged');
}));

/** @param {Page} page @param {string} at selector of the tile */
async function assertScrolls(page, at) {
  const { tools, caption, hidden } = await page.$eval(at, (tile) => {
    const boxOf = (/** @type {string} */ part) => tile.querySelector(part)?.getBoundingClientRect();
    const details = tile.querySelector('.details');
    return { tools: boxOf('.tools'), caption: boxOf('.caption'), hidden: (details?.scrollHeight ?? 0) - (details?.clientHeight ?? 0) };
  });
  assert.ok(tools && caption && caption.top >= tools.bottom, `${caption?.top} is below ${tools?.bottom}`);
  assert.ok(hidden > 0, 'they scroll');
}

test('an icon shows its name to the mouse that rests on it, and to the focus', withMockRelay(async ({ relay, open }) => {
  const page = await openFour(relay, open, WIDE);
  await page.hover('#actions [aria-label="Details of all cameras"]');
  await page.waitForSelector('#actions .label >> text=Details of all cameras');
  await page.focus('#help');
  await page.keyboard.press('Shift+Tab');
  await page.waitForSelector('#actions .label >> text=Full screen');
}));
