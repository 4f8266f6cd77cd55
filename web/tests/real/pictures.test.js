import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { untilMoves, untilState } from '../page.js';
import { firstPicture, withSite } from './harness.js';
import { nextPictures } from './timecode.js';

const FRAME_INTERVAL = 1000 / 30;
const DISPLAY_FRAME = 1000 / 60;

/** Returns the median: anything may delay a single frame. @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

test('the picture moves, and is as old as the page says', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  await site.relay();
  const page = await site.open();
  console.log(`first picture after ${Math.round(await firstPicture(page))} ms`);
  await untilMoves(page, 'door');
  const pictures = await nextPictures(page, 'door', 61);
  pictures.reduce((before, next) => {
    assert.ok(next.number > before.number && next.time > before.time, `${before.number}, then ${next.number}`);
    return next;
  });
  const seen = median(pictures.map(({ seenAge }) => seenAge));
  const claimed = median(pictures.map(({ claimedAge }) => claimedAge));
  const said = `${seen.toFixed(1)} ms old by its timecode, ${claimed.toFixed(1)} ms as the page says`;
  console.log(said);
  assert.ok(Math.abs(seen - claimed) <= FRAME_INTERVAL + DISPLAY_FRAME, said);
}));

test('twelve streams of all shapes move at the same time', withSite(async (site) => {
  const shapes = ['640x360@15', '640x480@15', '360x640@15', '640x360@30'];
  const names = Array.from({ length: 12 }, (_, index) => `cam${index}`);
  // Full size only: in smaller pictures the timecode is not readable.
  const source = (/** @type {number} */ index) => `test:${shapes[index % shapes.length]}#rendition=none`;
  site.capture(Object.fromEntries(names.map((name, index) => [name, source(index)])));
  await site.relay();
  const page = await site.open();
  await Promise.all(names.map((name) => untilMoves(page, name)));
  for (const name of names) {
    const [first, second] = await nextPictures(page, name, 2);
    assert.ok(first && second && second.number > first.number, name);
  }
}));

test('enlarging shows the same stream over the same socket', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30', hall: 'test:640x480@15' });
  await site.relay();
  const page = await site.open();
  await untilMoves(page, 'hall');
  await page.click('[data-stream="door"] .view');
  await page.waitForSelector('.enlarged[data-stream="door"]');
  await untilState(page, 'hall', 'idle');
  await untilMoves(page, 'door');
  await page.keyboard.press('Escape');
  await untilMoves(page, 'hall');
  assert.equal(site.sockets, 1);
}));

const here = Object.values(networkInterfaces()).flat().find((net) => net?.family === 'IPv4' && !net.internal)?.address;

test('pictures move without a secure context', { skip: here ? false : 'this machine has no address but loopback' }, withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  await site.relay('--listen', `${here}:0`, '--insecure');
  const page = await site.open();
  assert.equal(await page.evaluate(() => isSecureContext), false);
  await untilMoves(page, 'door');
  const [first, second] = await nextPictures(page, 'door', 2);
  assert.ok(first && second && second.number > first.number);
}));
