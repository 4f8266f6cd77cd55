import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRanges, jpegSize, MAX_CLIPS, splitIntoRanges } from '../worker/clip-ranges.js';

const SECOND = 1_000_000;
/** Parameter sets of two sizes. */
const SETS = { small: [0x67, 0x42, 0xe0, 0x0c, 0xaa], large: [0x67, 0x64, 0x00, 0x1f, 0xbb] };
/** @param {number[]} set @param {number} [pps] */
const keyframe = (set, pps = 0xce) => new Uint8Array([0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, ...set, 0, 0, 0, 1, 0x68, pps, 0, 0, 1, 0x65, 0x88, 0x84]);
/** Returns the start of a JPEG: quantization, then a frame header. @param {number} width @param {number} height */
const jpeg = (width, height) =>
  new Uint8Array([0xff, 0xd8, 0xff, 0xdb, 0, 4, 1, 2, 0xff, 0xff, 0xc0, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]);

/**
 * Returns ten H.264 frames: one second.
 * @param {number} from in seconds @param {{ payload?: Uint8Array<ArrayBuffer>, rendition?: number }} [more]
 * @returns {import('../shared/protocol.js').Frame[]}
 */
function gop(from, { payload = keyframe(SETS.small), rendition = 0 } = {}) {
  return Array.from({ length: 10 }, (_, at) => ({
    codec: 'h264',
    keyframe: at === 0,
    rendition,
    id: 1,
    sequence: BigInt(Math.round(from * 10) + at),
    capturedAt: Math.round((from + at / 10) * SECOND),
    sentAt: 0,
    payload: at === 0 ? payload : new Uint8Array([0, 0, 1, 0x41, at]),
  }));
}
const LARGE = { payload: keyframe(SETS.large), rendition: 1 };
/** Returns start and end of each range, in seconds. @param {import('../shared/protocol.js').Frame[][]} ranges */
const spans = (ranges) => ranges.map((range) => [range[0], range.at(-1)].map((frame) => (frame?.capturedAt ?? NaN) / SECOND));

test('frames for one decoder are one range, even if the rendition has another number', () => {
  const { ranges, reasons } = splitIntoRanges([...gop(0), ...gop(1, { rendition: 2 }), ...gop(2)]);
  assert.deepEqual([spans(ranges), reasons], [[[0, 2.9]], []]);
});

test('another size, other settings, another codec and a gap each start a range', () => {
  const other = { payload: keyframe(SETS.small, 0xcf) };
  const [still] = gop(9);
  assert.ok(still);
  const { ranges, reasons } = splitIntoRanges([...gop(0), ...gop(1, LARGE), ...gop(2, { ...other, rendition: 1 }), ...gop(7.9, { ...other, rendition: 1 }), { ...still, codec: 'jpeg', payload: jpeg(64, 48) }]);
  assert.deepEqual(spans(ranges), [[0, 0.9], [1, 1.9], [2, 2.9], [7.9, 8.8], [9, 9]]);
  assert.deepEqual(reasons, ['size', 'settings', 'gap', 'codec']);
});

test('if a relay starts with an older keyframe, each moment is in the clip once', () => {
  const { ranges } = splitIntoRanges([...gop(0), ...gop(0.5)]);
  assert.deepEqual(ranges.map((range) => range.map(({ capturedAt }) => capturedAt / SECOND)), [[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4]]);
});

test('JPEGs of one size are one range', () => {
  const [one] = gop(0);
  assert.ok(one);
  const frames = [64, 64, 128].map((width, at) => ({ ...one, codec: /** @type {const} */ ('jpeg'), payload: jpeg(width, 48), capturedAt: at * SECOND, rendition: at }));
  assert.deepEqual(splitIntoRanges(frames).ranges.map((range) => range.length), [2, 1]);
});

test('the range at the cursor comes first, then the nearest ones', () => {
  /** @param {number} from @param {object} [more] */
  const long = (from, more) => [...gop(from, more), ...gop(from + 1, more)];
  const frames = [...long(0), ...long(2, LARGE), ...long(4), ...long(6, LARGE), ...long(8)];
  const chosen = (/** @type {number} */ cursor) => chooseRanges(frames, cursor).ranges.map(([first]) => (first?.capturedAt ?? NaN) / SECOND);
  assert.deepEqual(chosen(Infinity), [8, 6, 4]);
  assert.deepEqual(chosen(3.95 * SECOND), [2, 4, 0]);
  assert.deepEqual(chosen(-1), [0, 2, 4], 'before all of them');
  const { omitted, reasons } = chooseRanges(frames, Infinity);
  assert.deepEqual([omitted, reasons], [5 - MAX_CLIPS, ['size']]);
  assert.deepEqual(chooseRanges([], Infinity), { ranges: [], reasons: [], omitted: 0 });
});

test('a range of less than a second is saved only if the cursor is in it', () => {
  const frames = [...gop(0), ...gop(1, LARGE), ...gop(2, LARGE)];
  const begins = (/** @type {number} */ cursor) => chooseRanges(frames, cursor).ranges.map(([first]) => (first?.capturedAt ?? NaN) / SECOND);
  assert.deepEqual(begins(Infinity), [1]);
  assert.deepEqual(begins(0.5 * SECOND), [0, 1]);
  assert.equal(chooseRanges(frames, Infinity).omitted, 0);
  assert.equal(chooseRanges(gop(0), Infinity).ranges.length, 1, 'the only one');
});

test('the size of a JPEG is found behind other segments, and an invalid JPEG has none', () => {
  assert.equal(jpegSize(jpeg(1280, 720)), '1280x720');
  assert.equal(jpegSize(new Uint8Array([0xff, 0xd8, 0xff, 0xd9])), '');
  assert.equal(jpegSize(new Uint8Array(0)), '');
  assert.equal(jpegSize(new Uint8Array([0xff, 0xd8, 0xff, 0xdb, 0, 0, 0xff, 0xc0, 0, 0])), '');
});
