import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JpegDecoder } from '../jpeg-decoder.js';

const path = /** @type {import('../picture.js').Arrival[]} */ (/** @type {unknown} */ ([{ frame: { payload: new Uint8Array(2) } }]));
const settle = () => new Promise((done) => setImmediate(done));

function stage() {
  let [now, closed] = [0, 0];
  /** @type {(() => void)[]} */
  const finish = [];
  const image = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ close: () => (closed += 1) }));
  const decoder = new JpegDecoder(() => new Promise((resolve) => finish.push(() => resolve(image))), () => now);
  /** @type {string[]} */
  const ends = [];
  const decode = () => void decoder.decode(path).then(() => ends.push('shown'), (error) => ends.push(error.message));
  return { decoder, decode, ends, finish, closed: () => closed, pass: (/** @type {number} */ time) => (now += time) };
}

test('a decoding that never ends is given up after five seconds, and its picture is not leaked', async () => {
  const { decoder, decode, ends, finish, closed, pass } = stage();
  decode();
  pass(5000);
  assert.equal(decoder.takes(1), true);
  await settle();
  assert.deepEqual(ends, [], 'it may still come');
  pass(1);
  decoder.takes(1);
  await settle();
  assert.deepEqual(ends, ['the decoder is stuck']);
  finish[0]?.();
  await settle();
  assert.equal(closed(), 1);
});

test('a browser that decodes nothing any more is not given ever more to do', async () => {
  const { decoder, decode, finish, pass } = stage();
  for (let count = 0; count < 8; count += 1) decode();
  pass(5001);
  assert.equal(decoder.takes(0), false);
  finish[0]?.();
  await settle();
  assert.equal(decoder.takes(0), true, 'one of them came to its end after all');
});
