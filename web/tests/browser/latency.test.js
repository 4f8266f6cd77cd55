import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, until, untilMoves, withMockRelay } from './harness.js';

test('the latency breakdown is drawn while details are open, and names the slowest stage', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  Object.assign(stream, { delay: 300, stage: 'bus' });
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  assert.ok(relay.received.every(({ type }) => type !== 'journey'), 'no details are open');
  await page.keyboard.press('i');
  await page.waitForSelector('.latency >> text=/^Slowest: bus, 300 ms$/');
  await page.waitForSelector('.latency .stages [data-stage="bus"].is-slowest');
  assert.equal(await page.locator('.stages span').count(), 7);
  const widths = await page.$$eval('.stages span', (stages) => stages.map((stage) => Number(getComputedStyle(stage).flexGrow)));
  assert.ok(Math.abs((widths[2] ?? 0) - 300) < 1, String(widths));
  assert.match((await page.textContent('.latency .total')) ?? '', /^total \d+ ms$/);
  const described = await page.getAttribute('[data-stream="door"] .view', 'aria-describedby');
  await until(page, `#${described}`, 'text', 'Slowest: bus, 300 ms');
  stream.stage = 'encode';
  await page.waitForSelector('.latency >> text=/^Slowest: encoding, 300 ms$/');
}));
