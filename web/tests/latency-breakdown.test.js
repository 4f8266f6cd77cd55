import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakdownOf, STAGES, stagesOf, textFor } from '../page/latency-breakdown.js';

const AHEAD = 5000;

/**
 * Returns the journey of a frame with these stage durations, in milliseconds.
 * @param {readonly number[]} times @returns {import('../shared/messages.js').FrameJourney}
 */
function journey(times, held = 0) {
  const moments = times.map((_, stage) => 1_000_000 + times.slice(0, stage + 1).reduce((sum, time) => sum + time, 0));
  const [read = 0, published = 0, received = 0, sent = 0, arrivedAt = 0, decodedAt = 0, paintedAt = 0] = moments;
  const relay = (/** @type {number} */ moment) => (moment + AHEAD) * 1000;
  const relayed = {
    type: /** @type {const} */ ('journey'),
    id: 1,
    sequence: 7,
    captured_at: relay(1_000_000),
    read_at: relay(read),
    published_at: relay(published),
    received_at: relay(received),
    sent_at: relay(sent),
  };
  return { relayed, offset: AHEAD, arrivedAt, held, decodedAt, paintedAt };
}

test('a frame passes seven stages, from the camera to the screen', () => {
  assert.deepEqual(stagesOf(journey([3, 6, 1, 2, 84, 9, 12])), [3, 6, 1, 2, 84, 9, 12]);
  assert.equal(STAGES.length, 7);
});

test('a stage that two clocks make negative counts as 0', () => {
  assert.deepEqual(stagesOf(journey([3, 6, -2, 2, -1, 9, 12])), [3, 6, 0, 2, 0, 9, 12]);
});

test('the text names the slowest stage, its duration, and as the total the age that the tile shows', () => {
  const breakdown = breakdownOf([journey([3, 6, 1, 2, 84, 9, 12])]);
  assert.ok(breakdown);
  assert.deepEqual(textFor(breakdown, 117.4), { slowest: 'Slowest: network, 84 ms', total: 'total 117 ms' });
});

test('a picture that does not move has no total: the tile says how old it is', () => {
  const breakdown = breakdownOf([journey([3, 6, 1, 2, 84, 9, 12])]);
  assert.ok(breakdown);
  assert.equal(textFor(breakdown, null).total, '');
});

test('the sync delay is part of the total', () => {
  const breakdown = breakdownOf([journey([3, 6, 1, 2, 4, 9, 12], 200)]);
  assert.ok(breakdown);
  assert.equal(textFor(breakdown, 237).total, 'total 237 ms, 200 ms of it sync delay');
});

test('one unusual frame does not make the bar flicker', () => {
  const usual = journey([3, 6, 1, 2, 20, 9, 12]);
  const breakdown = breakdownOf([usual, usual, journey([3, 6, 1, 900, 20, 9, 12]), usual, usual]);
  assert.equal(breakdown?.slowest.name, 'network');
});

test('without journeys there is no bar', () => {
  assert.equal(breakdownOf([]), null);
});
