import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockRelay } from '../mock-relay.js';
import { moving, statusTextOf, until, untilMoves, untilState, withMockRelay } from './harness.js';

const LOST = 'Connection lost, reconnecting';
/** Marks the page until it is loaded again. @param {import('playwright-core').Page} page */
const brand = (page) => page.evaluate(() => void Object.assign(globalThis, { branded: true }));
/** @param {import('playwright-core').Page} page */
const isBranded = (page) => page.evaluate(() => 'branded' in globalThis);

test('a broken socket is reported, and reconnects without a reload', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await brand(page);
  relay.cut();
  await relay.until(() => relay.connections === 2);
  await untilMoves(page, 'door');
  assert.equal(relay.connections, 2);
  assert.ok(await isBranded(page));
}));

test('a relay that dies leaves no picture that looks live, and the page reconnects', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  const { port } = relay;
  await relay.stop();
  await untilState(page, 'door', 'stale');
  assert.equal(await statusTextOf(page, 'door'), LOST);
  await until(page, '#summary', 'text', LOST);
  const next = await new MockRelay().start(port);
  try {
    // The new relay knows no stream yet. The tiles stay all the same.
    await next.waitForMessage(({ type }) => type === 'watch');
    assert.equal(await page.isVisible('.setup'), false);
    next.add('door', moving());
    await untilMoves(page, 'door');
    await until(page, '#summary', 'text', '1 camera');
  } finally {
    await next.stop();
  }
}));

test('an empty wall is the set-up, and fills by itself', withMockRelay(async ({ relay, open }) => {
  const since = (Date.now() - 125_000) * 1000;
  const endpoint = '/run/user/1000/fanlight';
  relay.listening = [{ endpoint, heard: false, connected: false, since, reason: 'the keys do not match' }];
  const page = await open();
  await page.waitForSelector('.setup');
  const text = (await page.textContent('.setup')) ?? '';
  for (const part of [
    'No cameras yet',
    '/run/user/1000/fanlight',
    'nothing received yet: the keys do not match',
    'listening since ',
    'fanlight-capture --stream cam=/dev/video0',
    'fanlight-capture --list-devices',
    'fanlight-capture --stream door=rtsp://',
    'fanlight-capture --stream test=test',
  ]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  await brand(page);
  relay.add('door', moving());
  await untilMoves(page, 'door');
  assert.equal(await page.isVisible('.setup'), false);
  relay.remove('door');
  await page.click('.dismiss');
  await page.waitForSelector('.setup');
  assert.ok(await isBranded(page));
}));

test('an empty wall lists the webcams of the relay, also one that is plugged in, and starts the program that was built', withMockRelay(async ({ relay, open }) => {
  const capture = '~/fanlight/target/release/fanlight-capture';
  relay.setup = { capture, webcams: [] };
  const page = await open();
  await until(page, '.setup', 'text', `${capture} --list-devices`);
  relay.setup = { capture, webcams: [{ device: '/dev/video0', name: 'HD <b>WebCam' }, { device: '/dev/video2', name: '' }] };
  relay.announce();
  await until(page, '.setup', 'text', 'Webcam found: HD <b>WebCam');
  const commands = await page.$$eval('.command code', (lines) => lines.map(({ textContent }) => textContent));
  assert.deepEqual(commands, [
    `${capture} --stream cam=/dev/video0`,
    `${capture} --stream cam2=/dev/video2`,
    `${capture} --stream door=rtsp://192.168.1.21/stream1`,
    `${capture} --stream test=test`,
  ]);
}));

test('a command is copied', withMockRelay(async ({ open }) => {
  const page = await open('', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.click('.command:last-child .copy');
  await page.waitForSelector('.copy >> text=Copied');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'fanlight-capture --stream test=test');
}));

test('a relay with a token asks for it, and rejects a wrong one', withMockRelay(async ({ relay, open }) => {
  relay.token = 'sesame';
  relay.add('door', moving());
  const page = await open();
  await page.waitForSelector('.token-form');
  await page.fill('.token-form [name="token"]', 'wrong');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=That token was not accepted');
  await page.fill('.token-form [name="token"]', 'sesame');
  await page.keyboard.press('Enter');
  await untilMoves(page, 'door');
  await page.reload();
  await untilMoves(page, 'door');
}));

test('a token in the address is used and removed', withMockRelay(async ({ relay, open }) => {
  relay.token = 'sesame';
  relay.add('door', moving());
  const page = await open('?token=sesame&kiosk=1');
  await untilMoves(page, 'door');
  assert.equal(page.url(), `${relay.address}?kiosk=1`);
}));

test('the page reloads once after an upgrade of the relay', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await brand(page);
  relay.build = 'two';
  const loaded = page.waitForEvent('load');
  relay.cut();
  await loaded;
  assert.equal(await isBranded(page), false);
  await untilMoves(page, 'door');
  await brand(page);
  relay.build = 'three';
  relay.cut();
  await untilMoves(page, 'door');
  assert.ok(await isBranded(page), 'two reloads within a minute');
}));

test('a stream in the address may appear later', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('?stream=roof');
  await page.waitForSelector('text=No stream is called roof');
  relay.add('roof', moving());
  await untilMoves(page, 'roof');
}));
