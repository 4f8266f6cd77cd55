import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckTracker } from '../worker/acks.js';

/** @param {...number} sequences */
function acksOf(...sequences) {
  const acks = new AckTracker();
  sequences.forEach((sequence, order) => acks.received(order, BigInt(sequence)));
  return acks;
}

test('a frame that is not done delays the ack of all later ones', () => {
  const acks = acksOf(10, 11, 14);
  assert.equal(acks.done(1), null);
  assert.equal(acks.done(0), 11n);
  assert.equal(acks.done(2), 14n);
});

test('a frame that is done twice changes nothing', () => {
  const acks = acksOf(10);
  assert.equal(acks.done(0), 10n);
  assert.equal(acks.done(0), null);
  assert.equal(acks.done(7), null);
});

test('a track that restarts at the same number is acknowledged all the same', () => {
  const acks = acksOf(5);
  assert.equal(acks.done(0), 5n);
  acks.received(1, 5n);
  assert.equal(acks.done(1), 5n);
});

test('in any order of completion, the last ack covers the newest frame', () => {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  for (const order of orders) {
    const acks = acksOf(3, 5, 8);
    const words = order.map((number) => acks.done(number)).filter((word) => word !== null);
    assert.equal(words.at(-1), 8n, String(order));
    assert.deepEqual(words, [...words].sort((a, b) => Number(a - b)), String(order));
  }
});
