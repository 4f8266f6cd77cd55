import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, SPAN } from '../history.js';

const MS = 1000;
/** @param {number} capturedAt milliseconds @param {number} [byteLength] */
const frame = (capturedAt, byteLength = 10) => ({ frame: { capturedAt: capturedAt * MS, payload: { byteLength } } });
/** @param {History<ReturnType<typeof frame>>} history @param {number} id @param {number} instant milliseconds */
function timeAt(history, id, instant) {
  const kept = history.at(id, instant * MS);
  return kept && kept.frame.capturedAt / MS;
}

test('at an instant each stream shows its newest frame that is not younger', () => {
  const history = new History();
  for (const time of [100, 133, 166, 200]) history.add(1, frame(time), Infinity);
  for (const time of [110, 190]) history.add(2, frame(time), Infinity);
  assert.deepEqual([timeAt(history, 1, 189), timeAt(history, 2, 189)], [166, 110]);
  assert.deepEqual([timeAt(history, 1, 200), timeAt(history, 2, 200)], [200, 190]);
  assert.equal(timeAt(history, 2, 50), 110, 'nothing so old: the oldest');
  assert.equal(timeAt(history, 3, 200), null);
});

test('a step goes by common time, to the next frame of any stream', () => {
  const history = new History();
  for (const time of [100, 133, 166, 200]) history.add(1, frame(time), Infinity);
  for (const time of [110, 190]) history.add(2, frame(time), Infinity);
  /** @type {number[]} */
  const back = [];
  for (let at = history.step(200 * MS, -1); at !== null; at = history.step(at, -1)) back.push(at / MS);
  assert.deepEqual(back, [190, 166, 133, 110, 100]);
  assert.equal(history.step(133 * MS, 1), 166 * MS);
  assert.equal(history.step(200 * MS, 1), null);
});

test('it reaches back two seconds, and to the frame shown at their beginning', () => {
  const history = new History();
  for (let time = 0; time <= 10_000; time += 100) history.add(1, frame(time), Infinity);
  assert.equal(timeAt(history, 1, 0), 10_000 - SPAN / MS);
  for (const time of [0, 5_000, 10_000]) history.add(2, frame(time), Infinity);
  assert.equal(timeAt(history, 2, 9_000), 5_000);
});

test('what is still to be shown does not count as old', () => {
  const history = new History();
  for (let time = 0; time <= 4000; time += 100) history.add(1, frame(time), 1500 * MS);
  assert.equal(timeAt(history, 1, 1500), 1500);
  assert.equal(timeAt(history, 1, 0), 0);
});

test('the whole wall is bounded in bytes: what was shown longest ago goes first', () => {
  const history = new History({ bytes: 100 });
  for (let time = 0; time < 50; time += 10) {
    history.add(1, frame(1000 + time, 10), Infinity);
    history.add(2, frame(500 + time, 10), Infinity);
  }
  assert.ok(history.add(1, frame(1100, 35), Infinity));
  assert.ok(history.bytes <= 100, String(history.bytes));
  assert.deepEqual([timeAt(history, 2, 0), timeAt(history, 1, 0)], [540, 1000]);
});

test('a frame for which there is no room among those still to be shown is not taken', () => {
  const history = new History({ bytes: 100, frames: 5 });
  for (let time = 1; time <= 5; time += 1) assert.ok(history.add(1, frame(time, 20), 0));
  assert.equal(history.add(1, frame(6, 20), 0), false, 'too many');
  assert.equal(history.add(2, frame(6, 20), 0), false, 'too large');
  assert.ok(history.add(2, frame(6, 20), 2 * MS));
  assert.equal(timeAt(history, 1, 0), 2);
  assert.equal(history.bytes, 100);
});

test('a stream that is forgotten gives back its room', () => {
  const history = new History();
  history.add(1, frame(1), Infinity);
  history.add(2, frame(2), Infinity);
  history.forget(1);
  assert.equal(history.bytes, 10);
  assert.deepEqual([...history.ids], [2]);
  assert.equal(history.step(5 * MS, -1), 2 * MS);
});
