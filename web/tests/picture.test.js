import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Picture } from '../worker/picture.js';

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
  /** @type {bigint[]} */
  const acknowledged = [];
  /** @type {import('../worker/picture.js').Travelled[]} */
  const travelled = [];
  /** @type {{ due: number, act: () => void }[]} */
  let timers = [];
  const picture = new Picture(1, {
    now: () => now,
    after(time, act) {
      const timer = { due: now + time, act };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    decode,
    offset: () => 1000,
    onPaint: () => {},
    onDone: (sequence) => acknowledged.push(sequence),
    onTravelled: (way) => travelled.push(way),
  });
  picture.paintWith((bitmap) => painted.push(String(Reflect.get(bitmap, 'name'))));
  const come = (/** @type {number | bigint} */ sequence) =>
    /** @type {import('../worker/picture.js').Arrival} */ (
      picture.receive({
        codec: 'jpeg',
        keyframe: true,
        rendition: 0,
        id: 1,
        sequence: BigInt(sequence),
        capturedAt: (now + 1000 - 12) * 1000,
        sentAt: 0,
        payload: new TextEncoder().encode(String(sequence)),
      })
    );
  const receive = (/** @type {number | bigint} */ sequence) => picture.show(come(sequence));
  return {
    picture,
    decoding,
    painted,
    acknowledged,
    travelled,
    come,
    receive,
    closed: () => closed,
    stats: () => picture.stats(now),
    pass: (/** @type {number} */ time) => (now += time),
    /** Lets so much time pass, and what waited for it happen. @param {number} time */
    async wait(time) {
      now += time;
      const due = timers.filter((timer) => timer.due <= now);
      timers = timers.filter((timer) => timer.due > now);
      for (const { act } of due) act();
      await settle();
    },
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

test('a frame is acknowledged when it is painted, and not before', async () => {
  const { decoding, acknowledged, receive } = world();
  receive(2n ** 63n);
  assert.deepEqual(acknowledged, []);
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, [2n ** 63n]);
});

test('what is given up is acknowledged with what came before it, once', async () => {
  const { decoding, acknowledged, receive } = world();
  for (let sequence = 1; sequence <= 5; sequence += 1) receive(sequence);
  assert.deepEqual(acknowledged, [], 'two are still being decoded');
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [], 'the first still is');
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, [4n]);
  await decoding[2]?.finish();
  assert.deepEqual(acknowledged, [4n, 5n]);
});

test('a broken picture is acknowledged too, and so is one for which there is no canvas yet', async () => {
  const { picture, decoding, acknowledged, receive } = world();
  receive(1);
  await decoding[0]?.fail();
  picture.close();
  receive(2);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n, 2n]);
});

test('a track that counts anew is not acknowledged by what came before it', async () => {
  const { picture, decoding, acknowledged, receive } = world();
  receive(900);
  picture.restartCount();
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, []);
  receive(1);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n]);
});

test('what came before the subscription began anew is not acknowledged to it', async () => {
  const { picture, decoding, acknowledged, receive } = world();
  receive(900);
  picture.begin();
  receive(1);
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, []);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n]);
});

test('a frozen picture stays, whatever is still being decoded', async () => {
  const { picture, decoding, painted, acknowledged, come, receive } = world();
  receive(1);
  await decoding[0]?.finish();
  receive(2);
  picture.freeze(true);
  await decoding[1]?.finish();
  picture.accept(come(3));
  assert.deepEqual(painted, ['1']);
  assert.deepEqual(acknowledged, [1n, 2n, 3n]);
});

test('a frame whose journey was told says when it arrived and was decoded, less what it was held', async () => {
  const { picture, decoding, travelled, come, pass } = world();
  const times = { captured_at: 1, read_at: 2, published_at: 3, received_at: 4, sent_at: 5 };
  picture.expect({ type: 'journey', id: 1, sequence: 7, ...times });
  const arrival = come(7);
  pass(200);
  picture.show(arrival, 200);
  pass(9);
  await decoding[0]?.finish();
  const [way] = travelled;
  assert.deepEqual([way?.journey.sequence, way?.held, (way?.decodedAt ?? 0) - (way?.arrivedAt ?? 0)], [7, 200, 9]);
  picture.show(come(8));
  await decoding[1]?.finish();
  assert.equal(travelled.length, 1);
});

test('a decoder that is never idle is told, and one that mostly is', async () => {
  const { decoding, receive, stats, pass } = world();
  for (let sequence = 1; sequence <= 40; sequence += 1) {
    receive(sequence);
    pass(95);
    await decoding[sequence - 1]?.finish();
    pass(5);
  }
  assert.ok(stats().busy > 0.9, String(stats().busy));
  for (let sequence = 41; sequence <= 80; sequence += 1) {
    receive(sequence);
    pass(10);
    await decoding[sequence - 1]?.finish();
    pass(90);
  }
  assert.ok(stats().busy < 0.15, String(stats().busy));
});

test('a decoder that does not come to an end is busy all the time', () => {
  const { receive, stats, pass } = world();
  receive(1);
  for (let look = 0; look < 20; look += 1) {
    stats();
    pass(250);
  }
  assert.equal(stats().busy, 1);
});

test('it is known of which rendition the picture on the screen is', async () => {
  const { picture, decoding, come, stats } = world();
  const arrival = come(1);
  picture.show({ ...arrival, frame: { ...arrival.frame, rendition: 2 } });
  assert.equal(stats().rendition, 0);
  await decoding[0]?.finish();
  assert.equal(stats().rendition, 2);
});

test('a smaller picture that is decoded sooner keeps a larger, older one from the screen', async () => {
  const { picture, decoding, painted, acknowledged, receive } = world();
  receive(900);
  picture.restartCount();
  receive(17);
  await decoding[1]?.finish();
  await decoding[0]?.finish();
  assert.deepEqual(painted, ['17']);
  assert.deepEqual(acknowledged, [17n]);
});

test('while a tile starts, a frame is acknowledged after 30 ms, and later only when it is painted', async () => {
  const { picture, decoding, acknowledged, receive, wait } = world();
  picture.begin();
  receive(1);
  await wait(29);
  assert.deepEqual(acknowledged, []);
  await wait(1);
  assert.deepEqual(acknowledged, [1n], 'its decoder is still being made');
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, [1n], 'and never twice');
  await wait(10_000);
  receive(2);
  await wait(1000);
  assert.deepEqual(acknowledged, [1n], 'a slow decoder is no start');
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n, 2n]);
});

test('stumbles of the start are no freezes, and later ones are', async () => {
  const { picture, decoding, receive, stats, pass } = world();
  picture.begin();
  let sequence = 0;
  const show = async (/** @type {number} */ gap) => {
    pass(gap);
    receive((sequence += 1));
    await decoding.at(-1)?.finish();
  };
  for (const gap of [33, 33, 33, 33, 33, 33, 800, 33, 33]) await show(gap);
  assert.equal(stats().freezes.count, 0);
  pass(10_000);
  picture.pause();
  for (const gap of [33, 33, 33, 800]) await show(gap);
  assert.equal(stats().freezes.count, 1);
});
