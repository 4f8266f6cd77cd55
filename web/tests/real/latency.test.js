import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STAGES } from '../../page/latency-breakdown.js';
import { capturedOf, untilAttribute, untilMoves, untilState } from '../page.js';
import { withSite } from './harness.js';

/** Seven stages and the age are each rounded to a millisecond. */
const ROUNDING = 4;

/** @param {import('playwright-core').Page} page */
async function untilJourney(page) {
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await page.waitForSelector('.latency .slowest:not(:empty)');
}

test('the stages of a real frame add up to the age that the page shows', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  await site.relay();
  const page = await site.open();
  await untilJourney(page);
  // Both are medians of recent frames, and a busy machine may delay some: the test waits until they agree.
  const agree = await page.waitForFunction((rounding) => {
    const rows = [...document.querySelectorAll('.stage-list li')];
    const sum = rows.reduce((sum, { textContent }) => sum + parseFloat(textContent?.split(' ')[1] ?? ''), 0);
    const age = parseFloat(document.querySelector('.line .age')?.textContent ?? '');
    return Math.abs(sum - age) <= rounding ? `${sum} ms by its stages, ${age} ms as the page says` : false;
  }, ROUNDING);
  console.log(await agree.jsonValue());
  const stages = await page.$$eval('.stage-list li', (rows) => rows.map((row) => row.textContent ?? ''));
  assert.deepEqual(stages.map((text) => text.split(' ')[0]), [...STAGES]);
  assert.ok(stages.every((text) => /^\w+ \d+ ms$/.test(text)), stages.join(', '));
}));

test('a real wall is synced, paused, stepped back and live again', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30', hall: 'test:640x480@10' });
  await site.relay();
  const page = await site.open();
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('s');
  // The status line shows it only for a moment, and after worse problems. The button shows it all the time.
  await page.waitForSelector('#actions .label >> text=/^In sync, .* behind live$/', { state: 'attached' });
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  await page.waitForSelector('.moment:not(:empty)');
  const before = await capturedOf(page, 'door');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await untilAttribute(page, 'door', 'data-captured', { below: before });
  assert.ok(before - (await capturedOf(page, 'door')) < 200_000);
  await page.keyboard.press('Space');
  await untilMoves(page, 'door');
  await untilMoves(page, 'hall');
}));
