import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, maxBytes, SPAN } from '../worker/history.js';

const MS = 1000;
/** @param {number} capturedAt milliseconds @param {number} [byteLength] */
const frame = (capturedAt, byteLength = 10) => kept(capturedAt, byteLength, null, 0);
/** @param {number} capturedAt @param {number} byteLength @param {{ release: () => void } | null} gop @param {number} index */
const kept = (capturedAt, byteLength, gop, index, rendition = 0) => ({
  frame: { capturedAt: capturedAt * MS, keyframe: index === 0, codec: gop ? 'h264' : 'jpeg', rendition, payload: { byteLength } },
  gop,
  index,
});
/** Returns a keyframe and deltas, a frame every 100 ms. @param {number} from milliseconds @param {number} length */
function gop(from, length, byteLength = 10, rendition = 0) {
  const one = { gone: false, release: () => (one.gone = true) };
  return { one, frames: Array.from({ length }, (_, index) => kept(from + index * 100, byteLength, one, index, rendition)) };
}
/** @param {History<ReturnType<typeof frame>>} history @param {number} id @param {number} instant milliseconds */
function timeAt(history, id, instant) {
  const kept = history.at(id, instant * MS);
  return kept && kept.frame.capturedAt / MS;
}

test('at an instant each stream has its newest frame that is not younger', () => {
  const history = new History();
  for (const time of [100, 133, 166, 200]) history.add(1, frame(time), Infinity);
  for (const time of [110, 190]) history.add(2, frame(time), Infinity);
  assert.deepEqual([timeAt(history, 1, 189), timeAt(history, 2, 189)], [166, 110]);
  assert.deepEqual([timeAt(history, 1, 200), timeAt(history, 2, 200)], [200, 190]);
  assert.equal(timeAt(history, 2, 50), 110, 'nothing so old: the oldest');
  assert.equal(timeAt(history, 3, 200), null);
});

test('a step goes to the next frame of any stream, in capture time', () => {
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

test('the history reaches back thirty seconds, and to the frame that was displayed then', () => {
  const history = new History();
  for (let time = 0; time <= 50_000; time += 100) history.add(1, frame(time), Infinity);
  assert.equal(timeAt(history, 1, 0), 50_000 - SPAN / MS);
  assert.equal(history.startOf(1), 50_000 * MS - SPAN);
  for (const time of [0, 25_000, 50_000]) history.add(2, frame(time), Infinity);
  assert.equal(timeAt(history, 2, 0), 0, 'shown at the beginning of them');
});

test('deltas are evicted with their keyframe, and their GOP is released', () => {
  const history = new History();
  const gops = [0, 1, 2, 3].map((count) => gop(count * 10_000, 100));
  for (const { frames } of gops) for (const one of frames) assert.ok(history.add(1, one, Infinity));
  assert.equal(timeAt(history, 1, 0), 0, 'what was shown 30 s ago needs it');
  for (const one of gop(40_000, 2).frames) history.add(1, one, Infinity);
  assert.equal(timeAt(history, 1, 0), 10_000);
  assert.deepEqual(gops.map(({ one }) => one.gone), [true, false, false, false]);
  assert.equal(history.bytes, 302 * 10);
});

test('the byte limit of a wall includes deltas, and a delta without its keyframe is not stored', () => {
  const history = new History({ bytes: 100 });
  const { one, frames } = gop(0, 20);
  const taken = frames.map((frame) => history.add(1, frame, Infinity));
  assert.equal(taken.indexOf(false), 10);
  assert.ok(one.gone);
  assert.equal(taken.lastIndexOf(true), 9);
  assert.equal(history.bytes, 0);
  assert.ok(history.add(1, gop(3000, 1).frames[0] ?? frame(0), Infinity));
});

test('a delta without its predecessor is not stored', () => {
  const history = new History();
  const [first, , third] = gop(0, 3).frames;
  assert.ok(first && third);
  assert.equal(history.add(1, third, Infinity), false);
  history.add(1, first, Infinity);
  assert.equal(history.add(1, third, Infinity), false);
});

test('a clip starts at the keyframe before an instant, and ends at the newest frame', () => {
  const history = new History();
  for (const from of [0, 1000, 2000]) for (const one of gop(from, 10).frames) history.add(1, one, Infinity);
  const clip = (/** @type {number} */ from) => history.since(1, from * MS).map(({ frame }) => frame.capturedAt / MS);
  assert.equal(clip(1450)[0], 1000);
  assert.equal(clip(1450).at(-1), 2900);
  assert.equal(clip(-Infinity).length, 30);
  assert.equal(clip(9000)[0], 2000, 'at least a GOP');
  assert.deepEqual(history.since(7, 0), []);
});

test('a clip spans changes of size and gaps, without losing a frame', () => {
  const history = new History();
  const all = [gop(0, 10), gop(1000, 10, 10, 1), gop(8000, 10, 10, 1)];
  for (const { frames } of all) for (const one of frames) history.add(1, one, Infinity);
  assert.equal(history.since(1, -Infinity).length, 30);
});

test('evicting frames of the last 30 s for lack of room is reported, and evicting older ones is not', () => {
  const history = new History({ bytes: 100 });
  for (let time = 0; time < 10; time += 1) history.add(1, frame(1000 * time, 10), Infinity);
  assert.equal(history.wasTruncated(1), false);
  history.add(1, frame(10_000, 10), Infinity);
  assert.equal(history.wasTruncated(1), true);
  history.add(1, frame(29_900, 10), Infinity);
  assert.equal(history.wasTruncated(1), true);
  history.forget(1);
  for (const time of [50_000, 85_000]) history.add(1, frame(time, 10), Infinity);
  assert.equal(history.wasTruncated(1), false, 'only what is too old was given up');
});

test('a machine with little memory stores less', () => {
  assert.deepEqual([8, 4, 2, undefined].map((memory) => maxBytes(memory) / 2 ** 20), [192, 192, 64, 96]);
});

test('frames that are still to be shown do not count as old', () => {
  const history = new History();
  for (let time = 0; time <= 4000; time += 100) history.add(1, frame(time), 1500 * MS);
  assert.equal(timeAt(history, 1, 1500), 1500);
  assert.equal(timeAt(history, 1, 0), 0);
});

test('the byte limit holds for the whole wall: the frames displayed longest ago are evicted first', () => {
  const history = new History({ bytes: 100 });
  for (let time = 0; time < 50; time += 10) {
    history.add(1, frame(1000 + time, 10), Infinity);
    history.add(2, frame(500 + time, 10), Infinity);
  }
  assert.ok(history.add(1, frame(1100, 35), Infinity));
  assert.ok(history.bytes <= 100, String(history.bytes));
  assert.deepEqual([timeAt(history, 2, 0), timeAt(history, 1, 0)], [540, 1000]);
});

test('a frame without room among those still to be shown is not stored', () => {
  const history = new History({ bytes: 100, frames: 5 });
  for (let time = 1; time <= 5; time += 1) assert.ok(history.add(1, frame(time, 20), 0));
  assert.equal(history.add(1, frame(6, 20), 0), false, 'too many');
  assert.equal(history.add(2, frame(6, 20), 0), false, 'too large');
  assert.ok(history.add(2, frame(6, 20), 2 * MS));
  assert.equal(timeAt(history, 1, 0), 2);
  assert.equal(history.bytes, 100);
});

test('a forgotten stream frees its memory', () => {
  const history = new History();
  history.add(1, frame(1), Infinity);
  history.add(2, frame(2), Infinity);
  history.forget(1);
  assert.equal(history.bytes, 10);
  assert.deepEqual([...history.ids], [2]);
  assert.equal(history.step(5 * MS, -1), 2 * MS);
});
