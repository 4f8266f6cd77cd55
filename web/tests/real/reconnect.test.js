import assert from 'node:assert/strict';
import { test } from 'node:test';
import { names, sequenceOf, statusTextOf, until, untilMoves, untilState } from '../page.js';
import { isMarked, mark, withSite } from './harness.js';
import { nextPictures } from './timecode.js';

/** Waits until a tile shows another age. @param {import('playwright-core').Page} page */
async function untilCountsOn(page) {
  const before = await page.textContent('.age');
  assert.match(before ?? '', /^\d+ s ago$/);
  await page.waitForFunction((before) => document.querySelector('.age')?.textContent !== before, before);
}

test('a killed capture is reported and its picture turns grey; after a restart the picture returns', withSite(async (site) => {
  const capture = site.capture({ door: 'test:640x360@30' });
  await site.relay();
  const page = await site.open();
  await untilMoves(page, 'door');
  await mark(page);
  await capture.kill();
  await untilState(page, 'door', 'gone');
  assert.match((await statusTextOf(page, 'door')) ?? '', /^Gone since .+: .+/);
  console.log(`a killed capture: "${await statusTextOf(page, 'door')}"`);
  await until(page, '.tile canvas', 'filter', 'grayscale(1)');
  await untilCountsOn(page);
  site.capture({ door: 'test:640x360@30' });
  await untilMoves(page, 'door');
  await until(page, '.tile canvas', 'filter', 'none');
  const [first, second] = await nextPictures(page, 'door', 2);
  assert.ok(first && second && second.number > first.number);
  assert.ok(await isMarked(page));
}));

test('a killed relay is reported; after a restart the picture returns without a reload', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  const relay = await site.relay();
  const page = await site.open();
  await untilMoves(page, 'door');
  await mark(page);
  await relay.kill();
  await untilState(page, 'door', 'stale');
  assert.match((await statusTextOf(page, 'door')) ?? '', /^Connection lost/);
  await until(page, '.tile canvas', 'filter', 'grayscale(1)');
  await untilCountsOn(page);
  const before = await sequenceOf(page, 'door');
  await site.relay('--listen', site.listening);
  await untilMoves(page, 'door');
  assert.ok((await sequenceOf(page, 'door')) > before);
  assert.ok(await isMarked(page));
}));

test('a stream that starts later appears', withSite(async (site) => {
  site.capture({ door: 'test:320x240@15' });
  await site.relay();
  const page = await site.open();
  await untilMoves(page, 'door');
  site.capture({ attic: 'test:320x240@15' });
  await untilMoves(page, 'attic');
  await untilMoves(page, 'door');
  assert.deepEqual(await names(page), ['attic', 'door']);
}));

test('a stream whose capture ended before the page opened has a name, and says since when it is gone', withSite(async (site) => {
  site.capture({ door: 'test:320x240@15' });
  const gone = site.capture({ attic: 'test:320x240@15' });
  const relay = await site.relay();
  await relay.says(/stream available.*attic/);
  await gone.kill();
  const page = await site.open();
  await untilMoves(page, 'door');
  await untilState(page, 'attic', 'gone');
  const words = await page.textContent('[data-stream="attic"] .placeholder');
  assert.match(words ?? '', /^attic Gone since .+: .+/);
  assert.equal(await page.isVisible('[data-stream="attic"] canvas'), false);
  await page.click('[data-stream="attic"] .dismiss');
  assert.deepEqual(await names(page), ['door']);
}));

test('an empty wall shows the endpoints, and a command that fills it', withSite(async (site) => {
  await site.relay();
  const page = await site.open();
  await page.waitForSelector('text=No cameras yet');
  await until(page, '.listening', 'text', site.folder);
  await until(page, '.listening', 'text', 'nothing received yet');
  await mark(page);
  const command = (await page.textContent('.command:last-child code')) ?? '';
  assert.match(command, /fanlight-capture --stream test=test$/);
  // The programs that were built are in no folder of PATH.
  site.shell(command);
  await untilMoves(page, 'test');
  assert.equal(await page.isVisible('#panel'), false);
  assert.ok(await isMarked(page));
}));
