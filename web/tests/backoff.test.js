import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../shared/backoff.js';

test('waits double from a quarter of a second to five seconds', () => {
  const backoff = new Backoff({ random: () => 1 });
  const waits = Array.from({ length: 7 }, () => backoff.next());
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
});

test('jitter shortens a wait by at most a quarter', () => {
  assert.equal(new Backoff({ random: () => 0 }).next(), 187.5);
});

test('a reset starts with the first wait again', () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 250);
});
