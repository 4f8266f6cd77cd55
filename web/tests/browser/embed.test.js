// The element <fanlight-view> on a page of another origin.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import axe from 'axe-core';
import { ForeignSite, pageWith, untilElementMoves } from '../foreign-site.js';
import { inThreeSizes, moving, PHONE, video, withMockRelay } from './harness.js';
import { newPage, startChromium } from '../page.js';
import { MockRelay } from '../mock-relay.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ relay: MockRelay, site: ForeignSite, open: (body: string, options?: import('playwright-core').BrowserContextOptions, before?: string) => Promise<Page> }} Fixture */

/** Runs a test with a relay, and a page of another origin. @param {(fixture: Fixture) => Promise<void>} act */
function onForeignPage(act) {
  return async () => {
    const relay = await new MockRelay().start();
    const site = await new ForeignSite().start();
    const browser = await startChromium();
    /** @type {Error[]} */
    const failures = [];
    try {
      await act({
        relay,
        site,
        async open(body, options, before) {
          const page = await newPage(browser, failures, { options, before });
          site.html = pageWith(relay.address, body);
          await page.goto(site.address);
          return page;
        },
      });
      if (failures[0]) throw failures[0];
    } finally {
      await browser.close();
      await Promise.all([relay.stop(), site.stop()]);
    }
  };
}

/** @param {Page} page @param {string} element @param {'state' | 'reason' | 'age' | 'paused'} name */
const property = (page, element, name) => page.$eval(element, (view, name) => Reflect.get(view, name), name);

/** @param {Page} page @param {string} element @param {string} part a class in the shadow tree */
const isShown = (page, element, part) => page.locator(`${element} .${part}`).first().isVisible();

test('twelve elements on a page of another origin share one socket, and all show new pictures', onForeignPage(async ({ relay, open }) => {
  const names = Array.from({ length: 12 }, (_, index) => `cam${index}`);
  for (const name of names) relay.add(name, moving());
  const page = await open(names.map((name) => `<fanlight-view stream="${name}" style="width: 24%; float: left"></fanlight-view>`).join(''));
  for (const name of names) await untilElementMoves(page, `[stream="${name}"]`);
  assert.equal(relay.connections, 1);
}));

test('an element that is removed or scrolled out unsubscribes, and the last one closes the socket', onForeignPage(async ({ relay, open }) => {
  for (const name of ['door', 'hall']) relay.add(name, moving());
  const page = await open('<fanlight-view stream="door"></fanlight-view><div style="height: 4000px"></div><fanlight-view stream="hall"></fanlight-view>');
  await untilElementMoves(page, '[stream="door"]');
  assert.ok(!relay.received.some(({ stream }) => stream === 'hall'), 'no element shows it');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await untilElementMoves(page, '[stream="hall"]');
  const door = relay.received.find(({ type, stream }) => type === 'watch' && stream === 'door');
  await relay.waitForMessage(({ type, id }) => type === 'unwatch' && id === door?.id);
  const hall = relay.received.find(({ type, stream }) => type === 'watch' && stream === 'hall');
  await page.evaluate(() => document.querySelectorAll('fanlight-view').forEach((view) => view.remove()));
  await relay.waitForMessage(({ type, id }) => type === 'unwatch' && id === hall?.id);
  await relay.untilNoViewers();
}));

test('twenty elements of a hidden tab receive nothing, change nothing on the page, and their pictures return', onForeignPage(async ({ relay, open }) => {
  const names = Array.from({ length: 20 }, (_, index) => `cam${index}`);
  for (const name of names) relay.add(name, moving());
  const views = names.map((name) => `<fanlight-view stream="${name}" controls style="width: 19%; float: left"></fanlight-view>`).join('');
  const page = await open(views, {}, "Object.defineProperty(document, 'hidden', { get: () => globalThis.away === true })");
  for (const name of names) await untilElementMoves(page, `[stream="${name}"]`);
  const turn = (/** @type {boolean} */ away) =>
    page.evaluate((away) => {
      Object.assign(globalThis, { away });
      document.dispatchEvent(new Event('visibilitychange'));
    }, away);
  await turn(true);
  await relay.until(() => relay.received.filter(({ type }) => type === 'unwatch').length === 20);
  // Longer than the interval of the watchdog.
  const changes = await page.evaluate(async () => {
    let changes = 0;
    const observer = new MutationObserver((records) => (changes += records.length));
    for (const { shadowRoot } of document.querySelectorAll('fanlight-view')) {
      if (shadowRoot) observer.observe(shadowRoot, { subtree: true, childList: true, attributes: true, characterData: true });
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return changes;
  });
  assert.equal(changes, 0);
  await turn(false);
  for (const name of names) await untilElementMoves(page, `[stream="${name}"]`);
  assert.equal(relay.connections, 1);
}));

test('an element that moves within the page keeps its socket', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('<div id="one"><fanlight-view stream="door"></fanlight-view></div><div id="other"></div>');
  await untilElementMoves(page, '[stream="door"]');
  await page.evaluate(() => document.getElementById('other')?.append(...document.querySelectorAll('fanlight-view')));
  await untilElementMoves(page, '#other [stream="door"]');
  assert.equal(relay.connections, 1);
}));

test('attributes may change: stream, codec and fit', onForeignPage(async ({ relay, open }) => {
  relay.add('door', inThreeSizes(640, 360));
  relay.add('hall', video());
  const page = await open('<fanlight-view stream="door" codec="jpeg" style="width: 300px; height: 300px"></fanlight-view>');
  await untilElementMoves(page, '[stream="door"]');
  const set = (/** @type {string} */ name, /** @type {string} */ value) => page.$eval('fanlight-view', (view, [name, value]) => view.setAttribute(name ?? '', value ?? ''), [name, value]);
  await set('fit', 'cover');
  await relay.waitForMessage(({ type, max_width, max_height }) => type === 'watch' && max_width === 534 && max_height === 300);
  assert.equal(await page.$eval('fanlight-view', (view) => getComputedStyle(view.shadowRoot?.querySelector('canvas') ?? view).objectFit), 'cover');
  await set('stream', 'hall');
  await untilElementMoves(page, '[stream="hall"]');
  assert.equal(await page.getAttribute('fanlight-view .box', 'data-codec'), 'jpeg');
  await set('codec', 'h264');
  const request = await relay.waitForMessage(({ type, codec }) => type === 'watch' && codec !== undefined);
  assert.equal(request.stream, 'hall');
  await page.waitForSelector('fanlight-view .box[data-codec="h264"]');
  await untilElementMoves(page, 'fanlight-view');
  assert.equal(relay.connections, 1);
}));

test('name, age and controls are shown only on request', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('<fanlight-view id="bare" stream="door"></fanlight-view><fanlight-view id="aged" stream="door" age></fanlight-view><fanlight-view id="full" stream="door" controls></fanlight-view>', { viewport: { width: 400, height: 900 } });
  for (const id of ['#bare', '#aged', '#full']) await untilElementMoves(page, id);
  await page.waitForFunction(() => document.querySelector('#full')?.shadowRoot?.querySelector('.age')?.textContent !== '');
  const shown = async (/** @type {string} */ id) => Promise.all(['name', 'age', 'tools'].map((part) => isShown(page, id, part)));
  assert.deepEqual(await shown('#bare'), [false, false, false]);
  assert.equal(await isShown(page, '#bare', 'caption'), false);
  assert.deepEqual(await shown('#aged'), [false, true, false]);
  assert.deepEqual(await shown('#full'), [true, true, true]);
  assert.match(String(await page.textContent('#aged .age')), /^\d+ ms$/);
  assert.equal(typeof (await property(page, '#bare', 'age')), 'number');
  await page.$eval('#bare', (view) => view.setAttribute('age', ''));
  await page.waitForFunction(() => document.querySelector('#bare')?.shadowRoot?.querySelector('.box')?.classList.contains('with-age'));
}));

test('a paused element keeps its picture and ends its subscription, by mouse and by keyboard', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('<fanlight-view stream="door" controls></fanlight-view>');
  await untilElementMoves(page, 'fanlight-view');
  await page.hover('fanlight-view');
  await page.click('fanlight-view [aria-label="Pause"]');
  await relay.waitForMessage(({ type }) => type === 'unwatch');
  assert.deepEqual([await property(page, 'fanlight-view', 'state'), await property(page, 'fanlight-view', 'paused')], ['paused', true]);
  assert.equal(await page.$eval('fanlight-view', (view) => getComputedStyle(view.shadowRoot?.querySelector('canvas') ?? view).visibility), 'visible');
  await page.focus('fanlight-view [aria-label="Pause"]');
  await page.keyboard.press(' ');
  await untilElementMoves(page, 'fanlight-view');
  await page.keyboard.press('p');
  await page.waitForSelector('fanlight-view .box[data-state="paused"]');
  await page.keyboard.press('p');
  await page.keyboard.press('f');
  await page.waitForFunction(() => document.fullscreenElement?.localName === 'fanlight-view');
  await page.keyboard.press('f');
  await page.waitForFunction(() => document.fullscreenElement === null);
}));

test('the page learns of each state, and pictures return after the relay was away', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open(`<script>
    var states = [];
    addEventListener('fanlight-state', ({ detail }) => states.push(detail.state));
  </script><fanlight-view stream="door"></fanlight-view>`);
  await untilElementMoves(page, 'fanlight-view');
  relay.setState('door', 'offline', 'camera unplugged');
  await page.waitForFunction(() => Reflect.get(document.querySelector('fanlight-view') ?? {}, 'reason') === 'Camera unplugged');
  assert.equal(await isShown(page, 'fanlight-view', 'status'), true);
  relay.setState('door', 'live', '');
  await untilElementMoves(page, 'fanlight-view');
  relay.cut();
  await page.waitForFunction(() => Reflect.get(globalThis, 'states').includes('stale'));
  await untilElementMoves(page, 'fanlight-view');
  const states = await page.evaluate(() => Reflect.get(globalThis, 'states'));
  assert.deepEqual(states.filter((/** @type {string} */ state) => state === 'offline' || state === 'stale'), ['offline', 'stale']);
  assert.equal(relay.connections, 2);
}));

test('a relay that does not know the token says so, and a right token replaces it', onForeignPage(async ({ relay, open }) => {
  relay.token = 'open-sesame-42';
  relay.add('door', moving());
  const page = await open('<fanlight-view stream="door" token="guess-guess"></fanlight-view><fanlight-view id="bare" stream="door"></fanlight-view>');
  await page.waitForFunction(() => Reflect.get(document.querySelector('fanlight-view') ?? {}, 'state') === 'refused');
  assert.equal(await page.textContent('[token] .placeholder-text'), 'The access token is not accepted');
  await page.waitForSelector('#bare .placeholder-text:has-text("needs an access token or a link")');
  assert.match(String(await page.getAttribute('#bare [role="img"]', 'aria-label')), /^door: .*needs an access token/);
  await page.$eval('[token]', (view) => view.setAttribute('token', 'open-sesame-42'));
  await untilElementMoves(page, '[token]');
}));

test('below the path prefix of a reverse proxy, element and player connect to the relay below it', onForeignPage(async ({ relay, open }) => {
  relay.prefix = '/house/video/';
  relay.add('door', moving());
  const page = await open('<fanlight-view stream="door"></fanlight-view>');
  await untilElementMoves(page, 'fanlight-view');
  await page.goto(`${relay.address}embed/door`);
  await untilElementMoves(page, 'fanlight-view');
}));

test('properties count as attributes, also those of before the element was defined', onForeignPage(async ({ relay, open }) => {
  relay.token = 'open-sesame-42';
  relay.add('door', moving());
  const page = await open(`<fanlight-view></fanlight-view><script>
    Object.assign(document.querySelector('fanlight-view'), { stream: 'door', token: 'open-sesame-42', codec: 'jpeg', fit: 'fill', controls: true, age: true });
  </script>`);
  await untilElementMoves(page, 'fanlight-view');
  const attributes = await page.$eval('fanlight-view', (view) => view.getAttributeNames().sort());
  assert.deepEqual(attributes, ['age', 'codec', 'controls', 'fit', 'stream', 'token']);
  assert.equal(await property(page, 'fanlight-view', 'paused'), false);
}));

test('a mistake in an attribute is shown, and corrected', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('<fanlight-view></fanlight-view>');
  const text = (/** @type {string} */ text) => page.waitForSelector(`fanlight-view .placeholder-text:has-text("${text}")`);
  await text('the attribute stream is missing');
  await page.$eval('fanlight-view', (view) => view.setAttribute('stream', 'No Name'));
  await text('No Name is no name of a stream');
  await page.$eval('fanlight-view', (view) => Object.assign(view, { stream: 'door', src: 'ftp://cams' }));
  await text('ftp://cams is no address of a relay');
  await page.$eval('fanlight-view', (view) => Object.assign(view, { stream: 'cellar', src: null }));
  await text('No stream is called cellar');
  relay.add('cellar', moving());
  await untilElementMoves(page, 'fanlight-view');
}));

test('nothing leaks: the page gets no global name, and its style sheets do not reach the element', onForeignPage(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open(`<script>var before = Object.keys(globalThis)</script>
    <style>canvas { display: none } span, button { color: red; position: fixed; font-size: 90px }</style>
    <span class="name">outside</span><fanlight-view stream="door" controls></fanlight-view>`);
  await untilElementMoves(page, 'fanlight-view');
  const added = await page.evaluate(() => Object.keys(globalThis).filter((name) => !Reflect.get(globalThis, 'before').includes(name)));
  assert.deepEqual(added, []);
  assert.equal(await page.locator('fanlight-view canvas').isVisible(), true);
  assert.equal(await page.$eval('fanlight-view', (view) => getComputedStyle(view.shadowRoot?.querySelector('.name') ?? view).fontSize), '13px');
  assert.equal(await page.$eval('.name', (name) => getComputedStyle(name).fontSize), '90px');
}));

test('a page whose policy forbids the worker or the socket shows what it must allow', async () => {
  const [relay, site, browser] = await Promise.all([new MockRelay().start(), new ForeignSite().start(), startChromium()]);
  try {
    relay.add('door', moving());
    site.html = pageWith(relay.address, '<fanlight-view stream="door"></fanlight-view>');
    site.headers = { 'Content-Security-Policy': `script-src ${relay.address}; worker-src 'none'` };
    const page = await browser.newPage();
    await page.goto(site.address);
    await page.waitForSelector('fanlight-view .placeholder-text:has-text("worker-src blob:")');
    const scripts = `script-src ${relay.address}; worker-src blob:`;
    site.headers = { 'Content-Security-Policy': `${scripts}; connect-src ${relay.address}` };
    await page.reload();
    await page.waitForSelector('fanlight-view .placeholder-text:has-text("policy of this page (connect-src)")');
    const sockets = relay.address.replace('http', 'ws');
    site.headers = { 'Content-Security-Policy': `default-src 'none'; ${scripts}; connect-src ${relay.address} ${sockets}` };
    await page.reload();
    await untilElementMoves(page, 'fanlight-view');
  } finally {
    await browser.close();
    await Promise.all([relay.stop(), site.stop()]);
  }
});

test('the player fills its window, takes its attributes from the address, and is accessible', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('embed/door?controls&fit=cover&codec=jpeg&age=0', PHONE);
  await untilElementMoves(page, 'fanlight-view');
  const view = page.locator('fanlight-view');
  assert.deepEqual(await view.evaluate((view) => view.getAttributeNames().sort()), ['codec', 'controls', 'fit', 'stream']);
  assert.deepEqual(await view.boundingBox(), { x: 0, y: 0, width: 390, height: 844 });
  assert.equal(await isShown(page, 'fanlight-view', 'tools'), true);
  // Large enough for a finger, without a mouse over it.
  const button = await page.locator('fanlight-view .pause').boundingBox();
  assert.ok(button && button.width >= 44 && button.height >= 44, JSON.stringify(button));
  assert.equal(await page.$eval('fanlight-view', (view) => getComputedStyle(view.shadowRoot?.querySelector('.tools') ?? view).opacity), '1');
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => (await Reflect.get(globalThis, 'axe').run()).violations.map((/** @type {{ id: string }} */ { id }) => id));
  assert.deepEqual(violations, []);
}));

test('the player reloads when its relay is upgraded', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('embed/door');
  await untilElementMoves(page, 'fanlight-view');
  await page.evaluate(() => void Object.assign(globalThis, { marked: true }));
  relay.build = 'two';
  relay.cut();
  await page.waitForFunction(() => !('marked' in globalThis));
  await untilElementMoves(page, 'fanlight-view');
}));
