import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Picture } from '../picture.js';

/** A worker's world under the test's hand: its clock, and decoders that finish when they are told. */
function world() {
  let now = 1_700_000_000_000;
  /** @type {{ finish: () => Promise<void>, fail: () => Promise<void> }[]} */
  const decoding = [];
  /** @type {string[]} */
  const painted = [];
  let closed = 0;
  const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));
  const decode = (/** @type {Blob} */ blob) =>
    new Promise((/** @type {(bitmap: ImageBitmap) => void} */ resolve, reject) => {
      const finish = async () => {
        const name = await blob.text();
        resolve(/** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3, name, close: () => (closed += 1) })));
        await settle();
      };
      decoding.push({ finish, fail: () => (reject(new Error('broken')), settle()) });
    });
  const picture = new Picture(1, { now: () => now, decode, offset: () => 1000, onPaint: () => {} });
  picture.paintWith((bitmap) => painted.push(String(Reflect.get(bitmap, 'name'))));
  const receive = (/** @type {number} */ sequence) =>
    picture.receive({
      codec: 'jpeg',
      keyframe: true,
      rendition: 0,
      id: 1,
      sequence: BigInt(sequence),
      capturedAt: (now + 1000 - 12) * 1000,
      sentAt: 0,
      payload: new TextEncoder().encode(String(sequence)),
    });
  return {
    picture,
    decoding,
    painted,
    receive,
    closed: () => closed,
    stats: () => picture.stats(now),
    pass: (/** @type {number} */ time) => (now += time),
  };
}

test('at most two are decoded at a time, and the newest wins', async () => {
  const { decoding, painted, receive, stats } = world();
  for (let sequence = 1; sequence <= 5; sequence += 1) receive(sequence);
  assert.equal(decoding.length, 2);
  await decoding[0]?.finish();
  await decoding[1]?.finish();
  await decoding[2]?.finish();
  assert.deepEqual(painted, ['1', '2', '5']);
  assert.equal(stats().dropped, 2);
  assert.equal(stats().sequence, '5');
});

test('a decoder that overtakes makes the older picture void, and closes it', async () => {
  const { decoding, painted, receive, closed } = world();
  receive(1);
  receive(2);
  await decoding[1]?.finish();
  await decoding[0]?.finish();
  assert.deepEqual(painted, ['2']);
  assert.equal(closed(), 1);
});

test('a broken picture is counted, and the next one comes', async () => {
  const { decoding, painted, receive, stats } = world();
  receive(1);
  await decoding[0]?.fail();
  receive(2);
  await decoding[1]?.finish();
  assert.deepEqual(painted, ['2']);
  assert.equal(stats().broken, 1);
});

test('gaps are counted within one track only', () => {
  const { picture, receive, stats } = world();
  receive(10);
  receive(13);
  assert.equal(stats().missing, 2);
  picture.restartCount();
  receive(500);
  assert.equal(stats().missing, 2);
});

test('the age is by the clock of the relay, at the moment of painting', async () => {
  const { decoding, receive, stats, pass } = world();
  receive(1);
  pass(30);
  await decoding[0]?.finish();
  assert.ok(Math.abs((stats().age ?? 0) - 42) < 0.01);
});

test('one long silence does not make a slow camera', () => {
  const { receive, stats, pass } = world();
  for (let sequence = 1; sequence <= 60; sequence += 1) {
    receive(sequence);
    pass(33);
  }
  pass(60_000);
  receive(61);
  assert.ok(stats().interval < 300);
});
