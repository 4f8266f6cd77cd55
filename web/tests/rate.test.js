import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rate } from '../worker/rate.js';

test('a steady stream has its rate', () => {
  const rate = new Rate();
  let now = 5_000_000;
  for (; now < 5_010_000; now += 40) rate.add(1, now);
  assert.ok(Math.abs(rate.perSecond(now) - 25) < 1);
});

test('a stream that stopped has no rate after two seconds', () => {
  const rate = new Rate();
  rate.add(100, 1000);
  assert.equal(rate.perSecond(4000), 0);
  assert.equal(rate.perSecond(400_000), 0);
});

test('the first moment has no rate yet', () => {
  const rate = new Rate();
  assert.equal(rate.perSecond(0), 0);
  rate.add(5, 100);
  assert.equal(rate.perSecond(101), 0);
});
