import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DoubleClick } from '../page/double-click.js';

/** Returns which of some clicks are the second of a double click. @param {[number, number, number][]} clicks time, position, count */
function seconds(clicks) {
  const recognised = new DoubleClick();
  return clicks.map(([timeStamp, clientX, detail]) => recognised.isSecond({ timeStamp, clientX, clientY: 0, detail }));
}

test('two clicks close in time and place are a double click, and the next one is a first click again', () => {
  assert.deepEqual(seconds([[0, 100, 1], [200, 110, 1], [400, 110, 1], [600, 110, 1]]), [false, true, false, true]);
});

test('clicks far apart are single ones', () => {
  assert.deepEqual(seconds([[0, 100, 1], [400, 100, 1], [500, 200, 1]]), [false, false, false]);
});

test('a slow double click counts if the system reports one, and a key never is one', () => {
  assert.deepEqual(seconds([[0, 100, 1], [450, 100, 2]]), [false, true]);
  assert.deepEqual(seconds([[0, 0, 0], [100, 0, 0], [200, 0, 1]]), [false, false, false]);
});
