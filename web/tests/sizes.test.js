import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areOfOneShape, isLarger, likelyLimits, limitsOf, needsRequest } from '../shared/sizes.js';

const RENDITIONS = [
  { width: 1280, height: 720 },
  { width: 640, height: 360 },
  { width: 320, height: 180 },
];
const UNKNOWN = [{ width: 1280, height: 720 }, { width: 0, height: 0 }];
/** @param {number} maxWidth @param {number} maxHeight */
const limits = (maxWidth, maxHeight) => ({ maxWidth, maxHeight });

test('a tile is requested in screen pixels, as the source is oriented', () => {
  assert.deepEqual(limitsOf({ width: 320.2, height: 180 }, 1, false), limits(321, 180));
  assert.deepEqual(limitsOf({ width: 320, height: 180 }, 2, false), limits(640, 360));
  assert.deepEqual(limitsOf({ width: 320, height: 180 }, 2, true), limits(360, 640));
  assert.deepEqual(limitsOf({ width: -2, height: 0 }, 1, false), limits(1, 1));
});

test('a size is larger if either side is', () => {
  assert.ok(isLarger(limits(101, 50), limits(100, 50)));
  assert.ok(isLarger(limits(50, 100), limits(100, 50)));
  assert.ok(!isLarger(limits(100, 50), limits(100, 50)));
});

test('with known renditions, only a change of rendition needs a request', () => {
  assert.ok(!needsRequest(RENDITIONS, limits(330, 190), limits(638, 359)));
  assert.ok(needsRequest(RENDITIONS, limits(638, 359), limits(642, 362)));
  assert.ok(!needsRequest(RENDITIONS, limits(642, 362), limits(15_360, 9600)), 'there is no larger one');
  assert.ok(needsRequest(RENDITIONS, limits(638, 359), limits(310, 170)));
});

test('a picture fills a box when it fills its width or its height', () => {
  // The height counts for an upright picture in a wide window.
  const upright = RENDITIONS.map(({ width, height }) => ({ width: height, height: width }));
  assert.ok(!needsRequest(upright, limits(1280, 640), limits(200, 600)));
  assert.ok(needsRequest(upright, limits(1280, 640), limits(1280, 800)));
});

test('with unknown renditions, a change by half needs a request', () => {
  for (const renditions of [UNKNOWN, []]) {
    assert.ok(!needsRequest(renditions, limits(600, 340), limits(700, 360)));
    assert.ok(needsRequest(renditions, limits(600, 340), limits(1200, 680)));
  }
});

test('renditions of one picture have the same shape after rounding; other pictures do not', () => {
  for (const [width, height] of /** @type {const} */ ([[1280, 720], [854, 480], [1279, 719], [1366, 768], [101, 1013]])) {
    for (const part of [2, 4]) {
      for (const round of [Math.floor, Math.round, Math.ceil]) {
        const smaller = { width: round(width / part), height: round(height / part) };
        assert.ok(areOfOneShape({ width, height }, smaller), JSON.stringify(smaller));
        assert.ok(areOfOneShape(smaller, { width, height }));
      }
    }
  }
  assert.ok(!areOfOneShape({ width: 1280, height: 720 }, { width: 640, height: 480 }));
  assert.ok(!areOfOneShape({ width: 1280, height: 720 }, { width: 720, height: 1280 }));
  assert.ok(!areOfOneShape({ width: 640, height: 360 }, { width: 640, height: 480 }));
});

test('before it is placed, a tile is requested in its share of the screen', () => {
  const wide = { maxWidth: 1280, maxHeight: 800 };
  const phone = { maxWidth: 780, maxHeight: 1688 };
  assert.deepEqual(likelyLimits(wide, 1), wide);
  assert.deepEqual(likelyLimits(wide, 4), { maxWidth: 640, maxHeight: 400 });
  assert.deepEqual(likelyLimits(phone, 4), { maxWidth: 780, maxHeight: 422 });
  assert.deepEqual(likelyLimits({ maxWidth: 4000, maxHeight: 100 }, 2), { maxWidth: 2000, maxHeight: 100 });
});
