import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelayClock } from '../worker/clock.js';

/**
 * Adds an exchange with a relay whose clock is `ahead`, over a link with these delays. All in microseconds.
 * @param {RelayClock} clock @param {{ at: number, ahead: number, there: number, back: number }} exchange
 */
function exchange(clock, { at, ahead, there, back }) {
  const t1 = at + there + ahead;
  clock.add(at, t1, t1 + 100, at + there + 100 + back);
}

test('without an answer nothing is known', () => {
  assert.equal(new RelayClock().offset, null);
});

test('a symmetric link gives the exact offset', () => {
  const clock = new RelayClock();
  exchange(clock, { at: 1e9, ahead: -3_600_000_000, there: 4000, back: 4000 });
  assert.equal(clock.offset, -3_600_000_000);
  assert.equal(clock.rtt, 8000);
});

test('the exchange with the shortest round trip wins', () => {
  const clock = new RelayClock();
  exchange(clock, { at: 0, ahead: 5000, there: 1000, back: 90_000 });
  exchange(clock, { at: 1e6, ahead: 5000, there: 500, back: 500 });
  exchange(clock, { at: 2e6, ahead: 5000, there: 80_000, back: 1000 });
  assert.equal(clock.offset, 5000);
});

test('a clock that was set is followed immediately', () => {
  const clock = new RelayClock();
  for (let n = 0; n < 8; n += 1) exchange(clock, { at: n * 1e7, ahead: 0, there: 300, back: 300 });
  exchange(clock, { at: 9e7, ahead: 30_000_000, there: 2000, back: 2000 });
  assert.equal(clock.offset, 30_000_000);
});

test('an impossible answer is ignored', () => {
  const clock = new RelayClock();
  clock.add(1000, 5000, 4000, 2000);
  clock.add(1000, 0, 9000, 2000);
  clock.add(Number.NaN, 0, 0, 0);
  assert.equal(clock.offset, null);
});

test('old samples are forgotten', () => {
  const clock = new RelayClock();
  exchange(clock, { at: 0, ahead: 0, there: 1, back: 1 });
  for (let n = 1; n <= 8; n += 1) exchange(clock, { at: n * 1e7, ahead: 100 * n, there: 3000, back: 3000 });
  assert.ok((clock.offset ?? 0) >= 100);
});
