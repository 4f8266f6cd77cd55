import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SequenceCount } from '../worker/sequence-count.js';

/** Receives frames at these times, in seconds. @param {readonly number[]} seconds @param {number} [step] of their sequence */
function received(seconds, step = 1) {
  const count = new SequenceCount();
  seconds.forEach((at, index) => count.received(BigInt(index * step), at * 1000));
  return count;
}

test('two long gaps in a row are a slow camera, and one is an outage', () => {
  assert.equal(received([0, 6]).interval, 400);
  assert.equal(received([0, 6, 12]).interval, 6000);
  assert.equal(received([0, 6, 13, 19]).interval, 6000);
  const steady = Array.from({ length: 20 }, (_, index) => index / 10);
  assert.ok(received([...steady, 32]).interval < 500);
  assert.ok(received([...steady, 32, 32.1]).interval < 500);
});

test('frames that a slow link leaves out say nothing about the camera', () => {
  assert.ok(received([0, 2, 4, 6], 60).interval < 1000);
});
