import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BitmapWindow } from '../worker/bitmap-window.js';

/** Sends a bitmap every tenth of a second, and returns how many were let through. @param {BitmapWindow} bitmaps @param {number} from @param {number} to */
function send(bitmaps, from, to, answered = false) {
  let count = 0;
  for (let now = from; now < to; now += 100) {
    if (!bitmaps.maySend(1, now)) continue;
    count += 1;
    if (answered) bitmaps.painted(1);
  }
  return count;
}

test('two bitmaps are sent ahead, and each confirmation lets another one through', () => {
  const bitmaps = new BitmapWindow();
  assert.deepEqual([1, 2, 3].map(() => bitmaps.maySend(1, 0)), [true, true, false]);
  bitmaps.painted(1);
  assert.deepEqual([1, 2].map(() => bitmaps.maySend(1, 10)), [true, false]);
  assert.ok(bitmaps.maySend(2, 10), 'another tile');
});

test('two missing confirmations stop a tile for one second', () => {
  const bitmaps = new BitmapWindow();
  bitmaps.maySend(1, 0);
  bitmaps.maySend(1, 0);
  assert.equal(send(bitmaps, 100, 1000, true), 0);
  assert.ok(send(bitmaps, 1000, 2000, true) >= 9);
});

test('a page whose thread is blocked for ten minutes gets few bitmaps, and is served again when it confirms', () => {
  const bitmaps = new BitmapWindow();
  const count = send(bitmaps, 0, 600_000);
  assert.ok(count > 10 && count < 50, String(count));
  bitmaps.painted(1);
  bitmaps.painted(1);
  assert.ok(send(bitmaps, 600_000, 601_000, true) >= 9);
});

test('a forgotten tile starts again', () => {
  const bitmaps = new BitmapWindow();
  bitmaps.maySend(1, 0);
  bitmaps.maySend(1, 0);
  bitmaps.forget(1);
  assert.ok(bitmaps.maySend(1, 1));
});
