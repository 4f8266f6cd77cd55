import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, until, untilAttribute, untilMoves, untilStarted, withMockRelay } from './harness.js';

test('a slow link is shown in the status line until it recovers', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving()).transit = 90;
  relay.add('hall', moving()).transit = 90;
  const page = await open();
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  await untilStarted(page, 'hall');
  const before = await page.locator('[data-stream="door"]').boundingBox();
  relay.setState('door', 'slow', '');
  relay.setState('hall', 'slow', '');
  await page.waitForSelector('#status-line.shown >> text=Slow connection: lower frame rate');
  assert.deepEqual(await page.locator('[data-stream="door"]').boundingBox(), before, 'nothing moved');
  relay.setState('door', 'live', '');
  relay.setState('hall', 'live', '');
  await page.waitForSelector('#status-line.shown >> text=Full frame rate again');
  await page.waitForSelector('#status-line:not(.shown)', { state: 'attached' });
  await page.waitForFunction(() => document.querySelector('#status-line')?.textContent === '');
}));

test('while a page starts the status line is empty, and a cause without evidence is not named', withMockRelay(async ({ relay, open }) => {
  const door = relay.add('door', moving());
  const page = await open('', {}, `
    addEventListener('DOMContentLoaded', () => {
      globalThis.reported = [];
      const line = document.querySelector('#status-line');
      const note = () => reported.push([Boolean(document.querySelector('.tile.starting')), line.textContent]);
      new MutationObserver(note).observe(line, { childList: true, characterData: true, subtree: true });
    });
  `);
  await untilMoves(page, 'door');
  relay.setState('door', 'slow', '');
  await page.waitForSelector('#status-line.shown >> text=Lower frame rate for now');
  const reported = await page.evaluate(() => Reflect.get(globalThis, 'reported'));
  assert.deepEqual(reported, [[false, 'Lower frame rate for now']]);
  // The cause is named as soon as the network delay shows it.
  door.transit = 90;
  await page.waitForSelector('#status-line.shown >> text=Slow connection: lower frame rate');
}));

test('freezes are counted, and reported as a stutter when they repeat', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await until(page, '.details', 'text', 'Freezes');
  await untilStarted(page, 'door');
  for (let freeze = 0; freeze < 3; freeze += 1) {
    await relay.until(((from) => () => stream.sequence >= from + 6)(stream.sequence));
    const before = await freezesOf(page);
    stream.running = false;
    await untilAttribute(page, 'door', 'data-age', { above: 500 });
    stream.running = true;
    await page.waitForFunction((before) => {
      const text = document.querySelector('.details')?.textContent ?? '';
      return Number(/Freezes(\d+), longest/.exec(text)?.[1]) > before;
    }, before);
  }
  await page.waitForSelector('#status-line.shown >> text=door is stuttering');
}));

/** Returns the number of freezes. A busy machine may add some. @param {import('playwright-core').Page} page */
async function freezesOf(page) {
  return Number(/Freezes(\d+), longest/.exec((await page.textContent('.details')) ?? '')?.[1] ?? 0);
}
