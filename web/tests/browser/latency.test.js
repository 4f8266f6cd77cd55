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

test('one picture has one age: tile and details agree, with the way to the screen', withMockRelay(async ({ relay, open }) => {
  // The screen of this machine takes 60 ms.
  relay.before.set('/worker/main.js', `{
    const request = self.requestAnimationFrame.bind(self);
    self.requestAnimationFrame = (act) => request(() => setTimeout(act, 60));
  }`);
  Object.assign(relay.add('door', moving()), { delay: 40 });
  const page = await open();
  await untilMoves(page, 'door');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await page.waitForSelector('.latency >> text=/^Slowest: display, \\d+ ms$/');
  const ages = await page.evaluate(() => {
    /** @type {Map<string, string>} */
    const seen = new Map();
    const text = (/** @type {string} */ selector) => document.querySelector(selector)?.textContent ?? '';
    return new Promise((/** @type {(ages: [string, string][]) => void} */ resolve) => {
      const observer = new MutationObserver(() => {
        seen.set(text('.line .age'), text('.latency .total'));
        if (seen.size < 3) return;
        observer.disconnect();
        resolve([...seen]);
      });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    });
  });
  for (const [age, total] of ages) assert.equal(total, `total ${age}`);
  assert.ok(ages.every(([age]) => parseFloat(age) >= 100), String(ages));
  await page.keyboard.press('Space');
  await page.waitForSelector('[data-state="paused"]');
  await until(page, '.line .age', 'text', 's ago');
  assert.equal(await page.textContent('.latency .total'), '');
}));
