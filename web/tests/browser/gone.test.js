import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MockRelay } from '../mock-relay.js';
import { moving, names, PHONE, statusTextOf, until, untilMoves, untilState, withMockRelay } from './harness.js';

const GONE = /^Gone since \d\d?:\d\d(\s[AP]M)?(: capture stopped)?$/;
/** @param {string} stream */
const dismissOf = (stream) => `[data-stream="${stream}"] .dismiss`;

test('a stream that is gone stays as a tile until it is dismissed, also for a later page', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  assert.equal(await page.isVisible(dismissOf('door')), false);
  relay.lose('door', 'capture stopped');
  await untilState(page, 'door', 'gone');
  assert.match((await statusTextOf(page, 'door')) ?? '', GONE);
  await until(page, '[data-stream="door"] canvas', 'filter', 'grayscale(1)');
  await until(page, '#announcements', 'text', 'door: Gone since');
  await until(page, '#summary', 'text', '2 cameras, 1 offline');
  await page.reload();
  await untilState(page, 'door', 'gone');
  assert.match((await page.textContent('[data-stream="door"] .placeholder-text')) ?? '', GONE);
  await page.click(dismissOf('door'));
  assert.deepEqual(await names(page), ['hall']);
  await page.reload();
  await untilMoves(page, 'hall');
  assert.deepEqual(await names(page), ['hall']);
  relay.find('door');
  await untilMoves(page, 'door');
  relay.lose('door', 'capture stopped');
  await untilState(page, 'door', 'gone');
}));

test('several streams that are gone are dismissed together', withMockRelay(async ({ relay, open }) => {
  for (const name of ['door', 'hall', 'yard']) relay.add(name, moving());
  const page = await open();
  for (const name of ['door', 'hall', 'yard']) await untilMoves(page, name);
  await page.waitForSelector('#actions button');
  relay.lose('door', 'capture stopped');
  await untilState(page, 'door', 'gone');
  assert.equal(await page.isVisible('#dismiss-gone'), false, 'one has a button of its own');
  relay.lose('hall', 'capture stopped');
  await page.click('#dismiss-gone');
  assert.deepEqual(await names(page), ['yard']);
  await until(page, '#announcements', 'text', '2 cameras: dismissed');
  assert.equal(await page.isVisible('#dismiss-gone'), false);
  await page.reload();
  await untilMoves(page, 'yard');
  assert.deepEqual(await names(page), ['yard']);
}));

test('a stream that the relay forgets stays as a tile, and returns by itself', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open();
  await untilMoves(page, 'door');
  relay.remove('door');
  await untilState(page, 'door', 'gone');
  assert.match((await statusTextOf(page, 'door')) ?? '', GONE);
  relay.add('door', moving());
  await untilMoves(page, 'door');
  assert.equal(await page.isVisible(dismissOf('door')), false);
}));

test('an enlarged tile is dismissed to the wall, and the focus stays on the wall', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open('?stream=door', PHONE);
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button', { state: 'attached' });
  relay.lose('door', '');
  const dismiss = page.locator(dismissOf('door'));
  await dismiss.waitFor();
  const box = await dismiss.boundingBox();
  assert.ok(box && box.height >= 44, 'large enough for a finger');
  await dismiss.tap();
  await untilMoves(page, 'hall');
  assert.deepEqual(await names(page), ['hall']);
  assert.equal(await page.$('.enlarged'), null);
  assert.equal(await page.evaluate(() => document.activeElement?.closest('.tile')?.getAttribute('data-stream')), 'hall');
}));

test('a stream that a restarted relay does not list for a moment is not gone', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('', {}, `
    globalThis.states = new Set();
    new MutationObserver(() => {
      const tile = document.querySelector('.tile');
      if (tile) states.add(tile.getAttribute('data-state'));
    }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'], childList: true });
  `);
  await untilMoves(page, 'door');
  const { port } = relay;
  await relay.stop();
  await untilState(page, 'door', 'stale');
  const next = await new MockRelay().start(port);
  try {
    await next.waitForMessage(({ type }) => type === 'watch');
    next.add('door', moving());
    await untilMoves(page, 'door');
    const states = await page.evaluate(() => [...Reflect.get(globalThis, 'states')]);
    assert.ok(!states.includes('gone'), states.join());
  } finally {
    await next.stop();
  }
}));
