import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, onStage, until, untilAttribute, untilMoves } from './harness.js';

test('a slow link is one quiet line, which goes when all is well again', onStage(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  const before = await page.locator('[data-stream="door"]').boundingBox();
  relay.setState('door', 'slow', '');
  relay.setState('hall', 'slow', '');
  await page.waitForSelector('#quiet-line.shown >> text=Your link is slow: fewer pictures, none of them old');
  assert.deepEqual(await page.locator('[data-stream="door"]').boundingBox(), before, 'nothing moved');
  relay.setState('door', 'live', '');
  relay.setState('hall', 'live', '');
  await page.waitForSelector('#quiet-line.shown >> text=Every picture again');
  await page.waitForSelector('#quiet-line:not(.shown)', { state: 'attached' });
  await page.waitForFunction(() => document.querySelector('#quiet-line')?.textContent === '');
}));

test('freezes are counted, and told when they come again and again', onStage(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await until(page, '.details', 'text', 'Freezes');
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
  await page.waitForSelector('#quiet-line.shown >> text=door freezes now and then');
}));

/** A busy machine may add some of its own. @param {import('playwright-core').Page} page */
async function freezesOf(page) {
  return Number(/Freezes(\d+), longest/.exec((await page.textContent('.details')) ?? '')?.[1] ?? 0);
}
