import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_DELAY, PlayoutDelay } from '../worker/playout-delay.js';

/**
 * Adds ages of tiles for a while, at ten frames a second.
 * @param {PlayoutDelay} delay @param {Record<number, number>} ages by tile @param {{ from?: number, seconds?: number }} [time]
 */
function pass(delay, ages, { from = 0, seconds = 3 } = {}) {
  let now = from;
  for (; now < from + seconds * 1000; now += 100) {
    for (const [id, age] of Object.entries(ages)) delay.add(Number(id), age, now);
    delay.update(now);
  }
  return now;
}

test('the delay is the age of the latest tile, plus a margin', () => {
  const delay = new PlayoutDelay();
  pass(delay, { 1: 30, 2: 240 });
  assert.ok(delay.value !== null && delay.value >= 240 && delay.value < 280, String(delay.value));
});

test('without a tile there is no delay', () => {
  const delay = new PlayoutDelay();
  delay.update(1000);
  assert.equal(delay.value, null);
});

test('a single late frame changes nothing', () => {
  const delay = new PlayoutDelay();
  let now = pass(delay, { 1: 100 });
  const before = delay.value;
  delay.add(1, 900, now);
  pass(delay, { 1: 100 }, { from: now, seconds: 1 });
  assert.equal(delay.value, before);
});

test('the delay follows slowly, up and down, and ignores jitter', () => {
  const delay = new PlayoutDelay();
  let now = pass(delay, { 1: 100 }, { seconds: 6 });
  now = pass(delay, { 1: 700 }, { from: now, seconds: 1 });
  assert.ok((delay.value ?? 0) < 300, `after a second ${delay.value}`);
  now = pass(delay, { 1: 700 }, { from: now, seconds: 5 });
  assert.ok((delay.value ?? 0) >= 700, `after six ${delay.value}`);
  now = pass(delay, { 1: 100 }, { from: now, seconds: 7 });
  assert.ok((delay.value ?? 0) > 550, `back after seven ${delay.value}`);
  now = pass(delay, { 1: 100 }, { from: now, seconds: 15 });
  const settled = delay.value;
  assert.ok((settled ?? 999) < 140, `at last ${settled}`);
  pass(delay, { 1: 101 }, { from: now, seconds: 10 });
  assert.equal(delay.value, settled);
});

test('a tile that is too late is excluded, and rejoins well below the maximum', () => {
  const delay = new PlayoutDelay();
  let now = pass(delay, { 1: 40, 2: 5000 });
  assert.ok(delay.excludes(2) && !delay.excludes(1));
  assert.ok((delay.value ?? 999) < 100);
  now = pass(delay, { 1: 40, 2: MAX_DELAY - 100 }, { from: now, seconds: 8 });
  assert.ok(delay.excludes(2));
  pass(delay, { 1: 40, 2: 300 }, { from: now, seconds: 8 });
  assert.equal(delay.excludes(2), false);
});

test('no tile waits longer than the maximum', () => {
  const delay = new PlayoutDelay();
  pass(delay, { 1: 1979, 2: 10 }, { seconds: 8 });
  assert.ok((delay.value ?? 9999) <= MAX_DELAY, String(delay.value));
});

test('a tile that stopped sending is not waited for', () => {
  const delay = new PlayoutDelay();
  const now = pass(delay, { 1: 40, 2: 800 });
  pass(delay, { 1: 40 }, { from: now, seconds: 30 });
  assert.ok((delay.value ?? 999) < 90, String(delay.value));
});
