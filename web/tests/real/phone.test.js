import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, untilMoves } from '../page.js';
import { withSite } from './harness.js';

test('on a phone the wall is one column, and nothing is cut off', withSite(async (site) => {
  site.capture({ door: 'test:640x360@15', hall: 'test:640x480@15', yard: 'test:360x640@15' });
  await site.relay();
  const page = await site.open('', PHONE);
  await untilMoves(page, 'door');
  await page.locator('[data-stream="yard"]').scrollIntoViewIfNeeded();
  await untilMoves(page, 'yard');
  const boxes = await page.$$eval('.tile', (tiles) => tiles.map((tile) => tile.getBoundingClientRect().toJSON()));
  for (const box of boxes) assert.ok(box.left >= 0 && box.right <= 390, JSON.stringify(box));
  assert.equal(new Set(boxes.map(({ top }) => top)).size, 3);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
}));
