import { test } from 'node:test';
import { moving, until, untilMoves, withMockRelay } from './harness.js';

test('controls that could not be loaded are loaded when the relay returns', withMockRelay(async ({ relay, open }) => {
  relay.missing.add('/page/controls.js');
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await relay.until(() => relay.missed > 0);
  relay.missing.clear();
  await until(page, '#summary', 'text', '1 camera');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
}));

test('controls that could not be loaded are loaded with the next socket', withMockRelay(async ({ relay, open }) => {
  relay.missing.add('/page/controls.js');
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await relay.until(() => relay.missed > 0);
  relay.missing.clear();
  relay.cut();
  await until(page, '#summary', 'text', '1 camera');
}));

test('a wall without its sync module is paused once that is available', withMockRelay(async ({ relay, open }) => {
  relay.missing.add('/worker/sync.js');
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await relay.until(() => relay.missed > 0);
  relay.missing.clear();
  await until(page, '#summary', 'text', '1 camera');
  await page.keyboard.press('Space');
  await page.waitForSelector('.tile[data-state="paused"]');
}));

test('details that could not be loaded appear a moment later', withMockRelay(async ({ relay, open }) => {
  relay.missing.add('/page/details.js');
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  await page.hover('.tile');
  await relay.until(() => relay.missed > 0);
  relay.missing.clear();
  await page.waitForSelector('.tile .summary >> text=JPEG');
}));
