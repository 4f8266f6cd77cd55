import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Freezes } from '../worker/freezes.js';

/** Shows frames with these gaps between them. @param {readonly number[]} gaps @param {Freezes} [freezes] */
function show(gaps, freezes = new Freezes()) {
  let now = 1000;
  freezes.shown(now);
  for (const gap of gaps) freezes.shown((now += gap));
  return { freezes, now, counted: freezes.counted(now) };
}
/** @param {number} gap @param {number} count @returns {number[]} */
const even = (gap, count) => new Array(count).fill(gap);

test('regular frames never freeze, however slow the camera', () => {
  for (const gap of [16, 33, 250, 1000, 5000]) assert.equal(show(even(gap, 60)).counted.count, 0, String(gap));
});

test('a gap that people notice is a freeze', () => {
  const { counted } = show([...even(33, 20), 400, ...even(33, 20), 240, 33]);
  assert.deepEqual(counted, { count: 2, longest: 400, recent: 2 });
});

test('a short gap is no freeze, nor one that is usual for a slow camera', () => {
  assert.equal(show([...even(33, 20), 199]).counted.count, 0);
  assert.equal(show([...even(100, 20), 249]).counted.count, 0);
  assert.equal(show([...even(250, 20), 600]).counted.count, 0);
});

test('nothing counts before the usual gap is known', () => {
  assert.equal(show([2, 900, 900]).counted.count, 0);
});

test('an expected gap is no freeze', () => {
  const { freezes, now } = show(even(33, 20));
  freezes.expectGap();
  freezes.shown(now + 5000);
  assert.equal(freezes.counted(now + 5000).count, 0);
});

test('only the last ten seconds are recent', () => {
  const { freezes, now, counted } = show([...even(33, 20), 300, 33, 300, 33, 300]);
  assert.equal(counted.recent, 3);
  assert.deepEqual(freezes.counted(now + 10_000), { count: 3, longest: 300, recent: 0 });
});
