import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';

/** Sets up a player. The test controls its clock, and finishes decoding. */
function setUp() {
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
  /** @type {import('../worker/decode-queue.js').DecodedJourney[]} */
  const travelled = [];
  /** @type {{ due: number, act: () => void }[]} */
  let timers = [];
  const player = new Player(1, {
    now: () => now,
    after(time, act) {
      const timer = { due: now + time, act };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    decode,
    offset: () => 1000,
    onPaint: () => {},
    onAcknowledge: (sequence) => acknowledged.push(sequence),
    onJourney: (way) => travelled.push(way),
  });
  player.paintWith((bitmap) => painted.push(String(Reflect.get(bitmap, 'name'))));
  const come = (/** @type {number | bigint} */ sequence) =>
    /** @type {import('../worker/arrivals.js').Arrival} */ (
      player.receive({
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
  const receive = (/** @type {number | bigint} */ sequence) => player.show(come(sequence));
  return {
    player,
    decoding,
    painted,
    acknowledged,
    travelled,
    come,
    receive,
    closed: () => closed,
    stats: () => player.stats(now),
    pass: (/** @type {number} */ time) => (now += time),
    /** Lets time pass, and runs the timers that are due. @param {number} time */
    async wait(time) {
      now += time;
      const due = timers.filter((timer) => timer.due <= now);
      timers = timers.filter((timer) => timer.due > now);
      for (const { act } of due) act();
      await settle();
    },
  };
}

test('at most two frames are decoded at a time, and the newest wins', async () => {
  const { decoding, painted, receive, stats } = setUp();
  for (let sequence = 1; sequence <= 5; sequence += 1) receive(sequence);
  assert.equal(decoding.length, 2);
  await decoding[0]?.finish();
  await decoding[1]?.finish();
  await decoding[2]?.finish();
  assert.deepEqual(painted, ['1', '2', '5']);
  assert.equal(stats().dropped, 2);
  assert.equal(stats().sequence, '5');
});

test('a frame that is decoded sooner discards the older one, and closes its image', async () => {
  const { decoding, painted, receive, closed } = setUp();
  receive(1);
  receive(2);
  await decoding[1]?.finish();
  await decoding[0]?.finish();
  assert.deepEqual(painted, ['2']);
  assert.equal(closed(), 1);
});

test('a broken frame is counted, and the next one is shown', async () => {
  const { decoding, painted, receive, stats } = setUp();
  receive(1);
  await decoding[0]?.fail();
  receive(2);
  await decoding[1]?.finish();
  assert.deepEqual(painted, ['2']);
  assert.equal(stats().broken, 1);
});

test('gaps are counted within one track only', () => {
  const { player, receive, stats } = setUp();
  receive(10);
  receive(13);
  assert.equal(stats().missing, 2);
  player.restartTrack();
  receive(500);
  assert.equal(stats().missing, 2);
});

test('the age is measured by the clock of the relay, at the time of painting', async () => {
  const { decoding, receive, stats, pass } = setUp();
  receive(1);
  pass(30);
  await decoding[0]?.finish();
  assert.ok(Math.abs((stats().age ?? 0) - 42) < 0.01);
});

test('one long silence does not look like a slow camera', () => {
  const { receive, stats, pass } = setUp();
  for (let sequence = 1; sequence <= 60; sequence += 1) {
    receive(sequence);
    pass(33);
  }
  pass(60_000);
  receive(61);
  assert.ok(stats().interval < 300);
});

test('a frame is acknowledged when it is painted, and not before', async () => {
  const { decoding, acknowledged, receive } = setUp();
  receive(2n ** 63n);
  assert.deepEqual(acknowledged, []);
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, [2n ** 63n]);
});

test('a dropped frame is acknowledged with the ones before it, once', async () => {
  const { decoding, acknowledged, receive } = setUp();
  for (let sequence = 1; sequence <= 5; sequence += 1) receive(sequence);
  assert.deepEqual(acknowledged, [], 'two are still being decoded');
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [], 'the first still is');
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, [4n]);
  await decoding[2]?.finish();
  assert.deepEqual(acknowledged, [4n, 5n]);
});

test('a broken frame is acknowledged too, and so is one without a canvas', async () => {
  const { player, decoding, acknowledged, receive } = setUp();
  receive(1);
  await decoding[0]?.fail();
  player.close();
  receive(2);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n, 2n]);
});

test('a track that numbers its frames again is not acknowledged by earlier frames', async () => {
  const { player, decoding, acknowledged, receive } = setUp();
  receive(900);
  player.restartTrack();
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, []);
  receive(1);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n]);
});

test('frames from before a restart are not acknowledged to the new subscription', async () => {
  const { player, decoding, acknowledged, receive } = setUp();
  receive(900);
  player.start();
  receive(1);
  await decoding[0]?.finish();
  assert.deepEqual(acknowledged, []);
  await decoding[1]?.finish();
  assert.deepEqual(acknowledged, [1n]);
});

test('a paused picture stays, even if a newer frame is still being decoded', async () => {
  const { player, decoding, painted, acknowledged, come, receive } = setUp();
  receive(1);
  await decoding[0]?.finish();
  receive(2);
  player.setPaused(true);
  await decoding[1]?.finish();
  player.acknowledge(come(3));
  assert.deepEqual(painted, ['1']);
  assert.deepEqual(acknowledged, [1n, 2n, 3n]);
});

test('a frame with a known journey reports when it arrived and was decoded, without the time it was held', async () => {
  const { player, decoding, travelled, come, pass } = setUp();
  const times = { captured_at: 1, read_at: 2, published_at: 3, received_at: 4, sent_at: 5 };
  player.expect({ type: 'journey', id: 1, sequence: 7, ...times });
  const arrival = come(7);
  pass(200);
  player.show(arrival, 200);
  pass(9);
  await decoding[0]?.finish();
  const [way] = travelled;
  assert.deepEqual([way?.relayed.sequence, way?.held, (way?.decodedAt ?? 0) - (way?.arrivedAt ?? 0)], [7, 200, 9]);
  player.show(come(8));
  await decoding[1]?.finish();
  assert.equal(travelled.length, 1);
});

test('a decoder that is always busy is reported as busy, and an idle one as idle', async () => {
  const { decoding, receive, stats, pass } = setUp();
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

test('a decoder that does not finish is busy all the time', () => {
  const { receive, stats, pass } = setUp();
  receive(1);
  for (let look = 0; look < 20; look += 1) {
    stats();
    pass(250);
  }
  assert.equal(stats().busy, 1);
});

test('the rendition of the displayed picture is known', async () => {
  const { player, decoding, come, stats } = setUp();
  const arrival = come(1);
  player.show({ ...arrival, frame: { ...arrival.frame, rendition: 2 } });
  assert.equal(stats().rendition, 0);
  await decoding[0]?.finish();
  assert.equal(stats().rendition, 2);
});

test('a smaller frame that is decoded sooner keeps a larger, older one from the screen', async () => {
  const { player, decoding, painted, acknowledged, receive } = setUp();
  receive(900);
  player.restartTrack();
  receive(17);
  await decoding[1]?.finish();
  await decoding[0]?.finish();
  assert.deepEqual(painted, ['17']);
  assert.deepEqual(acknowledged, [17n]);
});

test('while a tile starts, a frame is acknowledged after 30 ms, and later only when it is painted', async () => {
  const { player, decoding, acknowledged, receive, wait } = setUp();
  player.start();
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

test('gaps while a tile starts are no freezes, and later ones are', async () => {
  const { player, decoding, receive, stats, pass } = setUp();
  player.start();
  let sequence = 0;
  const show = async (/** @type {number} */ gap) => {
    pass(gap);
    receive((sequence += 1));
    await decoding.at(-1)?.finish();
  };
  for (const gap of [33, 33, 33, 33, 33, 33, 800, 33, 33]) await show(gap);
  assert.equal(stats().freezes.count, 0);
  pass(10_000);
  player.expectGap();
  for (const gap of [33, 33, 33, 800]) await show(gap);
  assert.equal(stats().freezes.count, 1);
});
