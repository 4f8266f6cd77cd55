import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';
import { delta, FakeDecoder, keyframe, platform } from './fake-decoder.js';

const INTERVAL = 40;
const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));

/** Sets up an H.264 subscription. The test controls its clock and its decoder. */
function setUp() {
  let now = 1_700_000_000_000;
  /** @type {number[]} */
  const painted = [];
  /** @type {bigint[]} */
  const acknowledged = [];
  /** @type {{ at: number, act: () => void }[]} */
  let timers = [];
  let asked = 0;
  let h264Failed = 0;
  FakeDecoder.all = [];
  const player = new Player(1, {
    now: () => now,
    offset: () => 0,
    platform,
    decode: () => Promise.resolve(/** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 8, height: 6, name: -1, close() {} }))),
    onPaint: () => {},
    onAcknowledge: (sequence) => acknowledged.push(sequence),
    onKeyframeNeeded: () => (asked += 1),
    onSupportChange: () => (h264Failed += 1),
    after(time, act) {
      const timer = { at: now + time, act };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  });
  player.paintWith((image) => painted.push(Number(Reflect.get(image, 'name'))));
  /** @param {number} sequence @param {{ key?: boolean, level?: number, takenAt?: number, rendition?: number, payload?: Uint8Array<ArrayBuffer> }} [how] */
  const come = (sequence, { key = sequence % 10 === 0, level, takenAt = now, rendition = 0, payload } = {}) => {
    payload ??= key ? keyframe(sequence, level) : delta(sequence);
    const frame = { codec: /** @type {const} */ ('h264'), keyframe: key, rendition, id: 1, sentAt: now * 1000, payload };
    return player.receive({ ...frame, sequence: BigInt(sequence), capturedAt: takenAt * 1000 });
  };
  return {
    player,
    painted,
    acknowledged,
    come,
    get decoder() {
      return /** @type {FakeDecoder} */ (FakeDecoder.all.at(-1));
    },
    get asked() {
      return asked;
    },
    get h264Failed() {
      return h264Failed;
    },
    stats: () => player.stats(now),
    async pass(/** @type {number} */ time) {
      now += time;
      const due = timers.filter(({ at }) => at <= now);
      timers = timers.filter(({ at }) => at > now);
      for (const { act } of due) act();
      await settle();
    },
    /** @param {number} sequence @param {Parameters<typeof come>[1]} [how] */
    async receive(sequence, how) {
      const arrival = come(sequence, how);
      if (arrival) player.show(arrival);
      await settle();
    },
    async letOut(/** @type {number} */ most = Infinity) {
      this.decoder.letOut(most);
      await settle();
    },
    /** Receives frames in real time and decodes each immediately. @param {number} from @param {number} to */
    async run(from, to) {
      for (let sequence = from; sequence <= to; sequence += 1) {
        await this.receive(sequence);
        await this.letOut();
        await this.pass(INTERVAL);
      }
    },
  };
}

const names = (/** @type {FakeDecoder} */ decoder) => decoder.fed.map(({ data }) => data.at(-1));

test('every frame is decoded in order, painted and acknowledged', async () => {
  const tile = setUp();
  await tile.run(0, 12);
  assert.deepEqual(tile.painted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(names(tile.decoder), tile.painted);
  assert.deepEqual(tile.decoder.configured, ['avc1.42E01F']);
  assert.equal(tile.acknowledged.length, 13);
  assert.equal(tile.stats().codec, 'h264');
});

test('a burst is decoded completely, and only its last frame is painted; the others do not count as dropped', async () => {
  const tile = setUp();
  const taken = 1_700_000_000_000 - 9 * INTERVAL;
  for (let sequence = 0; sequence < 10; sequence += 1) await tile.receive(sequence, { takenAt: taken + sequence * INTERVAL });
  while (tile.painted.length === 0) await tile.letOut();
  assert.deepEqual(tile.painted, [9]);
  assert.deepEqual(names(tile.decoder), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(tile.decoder.closed, 9, 'all others are closed');
  assert.equal(tile.acknowledged.at(-1), 9n);
  assert.equal(tile.stats().dropped, 0);
});

test('a keyframe may be shown before the burst behind it; the burst does not count as dropped', async () => {
  const tile = setUp();
  const taken = 1_700_000_000_000 - 9 * INTERVAL;
  await tile.receive(0, { takenAt: taken });
  await tile.letOut();
  for (let sequence = 1; sequence < 10; sequence += 1) await tile.receive(sequence, { takenAt: taken + sequence * INTERVAL });
  while (tile.painted.length < 2) await tile.letOut();
  assert.deepEqual(tile.painted, [0, 9]);
  assert.equal(tile.stats().dropped, 0);
});

test('while the decoder is busy the newest frame wins, after the frames that it needs', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 7; sequence += 1) {
    await tile.receive(sequence);
    await tile.pass(INTERVAL);
  }
  assert.deepEqual(names(tile.decoder), [0, 1, 2], 'a short queue');
  await tile.letOut(3);
  assert.deepEqual(names(tile.decoder), [0, 1, 2, 3, 4, 5, 6]);
  await tile.letOut();
  assert.deepEqual(tile.painted, [0, 1, 2, 6]);
});

test('a decoder that is half a second behind drops the rest of the GOP, and never a reference', async () => {
  const tile = setUp();
  await tile.run(0, 1);
  for (let sequence = 2; sequence < 10; sequence += 1) {
    await tile.receive(sequence);
    await tile.pass(150);
  }
  await tile.letOut();
  assert.deepEqual(names(tile.decoder), [0, 1, 2, 3, 4]);
  assert.ok(tile.stats().dropped >= 5);
  await tile.run(10, 12);
  assert.deepEqual(tile.painted.slice(-3), [10, 11, 12]);
  assert.equal(tile.asked, 0, 'the others pay for no keyframe');
  assert.equal(tile.acknowledged.at(-1), 12n);
});

test('a delta without its predecessor is not decoded; a keyframe is requested once a second', async () => {
  const tile = setUp();
  await tile.run(0, 2);
  await tile.run(4, 6);
  assert.deepEqual(names(tile.decoder), [0, 1, 2]);
  assert.equal(tile.asked, 1);
  await tile.pass(1000);
  await tile.run(7, 7);
  assert.equal(tile.asked, 2);
  await tile.run(10, 11);
  assert.deepEqual(tile.painted, [0, 1, 2, 10, 11]);
  assert.equal(tile.acknowledged.at(-1), 11n);
});

test('a rendition that gets another number within its track breaks no GOP', async () => {
  const tile = setUp();
  await tile.run(0, 2);
  tile.player.restartTrack();
  for (const sequence of [3, 4]) {
    await tile.receive(sequence, { rendition: 1 });
    await tile.letOut();
    await tile.pass(INTERVAL);
  }
  assert.deepEqual(tile.painted, [0, 1, 2, 3, 4]);
  assert.equal(tile.asked, 0);
  assert.equal(tile.acknowledged.at(-1), 4n);
});

test('a stream that starts without a keyframe requests one', async () => {
  const tile = setUp();
  await tile.receive(5);
  await tile.receive(6);
  assert.equal(FakeDecoder.all.length, 0);
  assert.equal(tile.asked, 1);
});

test('a failure is repaired by the next keyframe and a new decoder', async () => {
  const tile = setUp();
  await tile.run(0, 3);
  await tile.receive(4);
  tile.decoder.fail('EncodingError');
  await settle();
  await tile.run(5, 5);
  assert.equal(tile.asked, 1);
  assert.equal(tile.stats().broken, 1);
  await tile.run(10, 11);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(tile.painted, [0, 1, 2, 3, 10, 11]);
  assert.equal(tile.acknowledged.at(-1), 11n);
  assert.equal(tile.h264Failed, 0);
});

test('repeated failures in a short time, or an unsupported stream, disable H.264', async () => {
  const tile = setUp();
  for (const sequence of [0, 10, 20]) {
    await tile.receive(sequence);
    tile.decoder.fail('EncodingError');
    await settle();
  }
  assert.equal(tile.h264Failed, 1);
  assert.equal(tile.stats().h264Failed, true);
  tile.player.decoders.retryH264();
  await tile.receive(30);
  tile.decoder.fail('NotSupportedError');
  assert.equal(tile.h264Failed, 2);
});

test('a frame without a picture is acknowledged, not decoded, and breaks nothing', async () => {
  const tile = setUp();
  await tile.run(0, 2);
  for (const [at, payload] of [[], [0, 0, 0, 1, 0x09, 0xf0], [0, 0, 1, 0x06, 5, 1]].entries()) {
    await tile.receive(3 + at, { payload: new Uint8Array(payload) });
    assert.equal(tile.acknowledged.at(-1), BigInt(3 + at));
  }
  await tile.run(6, 7);
  assert.deepEqual(names(tile.decoder), [0, 1, 2, 6, 7]);
  assert.deepEqual(tile.painted, [0, 1, 2, 6, 7]);
  assert.deepEqual([tile.asked, tile.stats().broken, tile.stats().dropped], [0, 0, 0]);
});

test('keyframes without a picture are no failure of the decoder; the deltas after them need another one', async () => {
  const tile = setUp();
  await tile.run(0, 2);
  for (const sequence of [10, 20, 30]) {
    await tile.receive(sequence, { payload: keyframe(sequence).slice(0, 9) });
    await tile.receive(sequence + 1);
  }
  assert.deepEqual(names(tile.decoder), [0, 1, 2]);
  assert.deepEqual([tile.asked, tile.h264Failed, tile.stats().broken], [1, 0, 0]);
  await tile.run(40, 41);
  assert.deepEqual(tile.painted.slice(-2), [40, 41]);
});

test('a decoder that the browser reclaims is no failure', async () => {
  const tile = setUp();
  await tile.run(0, 3);
  tile.decoder.fail('QuotaExceededError');
  await tile.run(4, 4);
  assert.deepEqual(names(tile.decoder), [0, 1, 2, 3, 4], 'it begins where it can');
  assert.deepEqual(tile.painted.at(-1), 4);
  assert.equal(tile.asked, 0);
});

test('another parameter set configures the decoder; the same one does not', async () => {
  const tile = setUp();
  await tile.run(0, 10);
  assert.equal(tile.decoder.configured.length, 1);
  await tile.receive(20, { level: 0x28 });
  await tile.letOut();
  assert.deepEqual(tile.decoder.configured, ['avc1.42E01F', 'avc1.42E028']);
  assert.equal(tile.painted.at(-1), 20);
});

test('catch-up frames of another rendition never go back in time', async () => {
  const tile = setUp();
  await tile.run(0, 9);
  tile.player.restartTrack();
  const now = 1_700_000_000_000 + 10 * INTERVAL;
  for (let index = 0; index < 6; index += 1) {
    await tile.receive(70 + index, { key: index === 0, rendition: 1, takenAt: now - (5 - index) * INTERVAL });
    await tile.letOut();
  }
  assert.deepEqual(tile.painted.slice(-2), [9, 75]);
  assert.equal(tile.stats().rendition, 1);
});

test('a decoder that holds frames back makes pictures as old as they are', async () => {
  const tile = setUp();
  await tile.receive(0);
  for (let sequence = 1; sequence < 6; sequence += 1) {
    await tile.pass(INTERVAL);
    await tile.receive(sequence);
    if (sequence >= 2) await tile.letOut(1);
  }
  assert.deepEqual(tile.painted, [0, 1, 2, 3]);
  assert.equal(Math.round(tile.stats().age ?? 0), 2 * INTERVAL);
});

test('a suspended tile has no decoder, and gets another when it starts', async () => {
  const tile = setUp();
  await tile.run(0, 3);
  await tile.receive(4);
  tile.player.suspend();
  await settle();
  assert.equal(tile.decoder.state, 'closed');
  assert.equal(tile.acknowledged.at(-1), 4n);
  tile.player.start();
  await tile.run(20, 21);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(tile.painted.slice(-2), [20, 21]);
});

test('a tile that was suspended while paused can be stepped, and has no decoder after it resumes', async () => {
  const tile = setUp();
  /** @type {import('../worker/arrivals.js').Arrival[]} */
  const arrivals = [];
  for (let sequence = 0; sequence < 4; sequence += 1) {
    arrivals.push(/** @type {never} */ (tile.come(sequence)));
    tile.player.show(/** @type {never} */ (arrivals.at(-1)));
    await tile.letOut();
    await tile.pass(INTERVAL);
  }
  const show = async (/** @type {number} */ at) => {
    tile.player.show(/** @type {never} */ (arrivals[at]));
    await settle();
  };
  tile.player.setPaused(true);
  tile.player.suspend();
  await show(1);
  await tile.letOut();
  assert.equal(tile.painted.at(-1), 1);
  tile.player.setPaused(false);
  await show(3);
  assert.equal(tile.decoder.state, 'closed');
  assert.equal(FakeDecoder.all.length, 1, 'and gets none');
  tile.player.start();
  await tile.run(20, 21);
  assert.deepEqual(tile.painted.slice(-2), [20, 21]);
});

test('a frame that waits for a decoder is acknowledged when the tile is suspended', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 5; sequence += 1) await tile.receive(sequence);
  tile.player.suspend();
  await settle();
  assert.equal(tile.decoder.state, 'closed');
  assert.equal(FakeDecoder.all.length, 1);
  assert.equal(tile.acknowledged.at(-1), 4n);
});

test('a decoder that returns nothing is dropped', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 22; sequence += 1) {
    await tile.receive(sequence, { key: sequence === 0 });
    tile.decoder.take();
  }
  assert.equal(tile.stats().broken, 22);
  assert.equal(tile.decoder.state, 'closed');
});

test('a frame that a decoder holds back is acknowledged when it is taken, and a waiting one is not', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 16; sequence += 1) {
    await tile.receive(sequence, { key: sequence === 0 });
    assert.equal(tile.acknowledged.length, sequence, 'it waits');
    tile.decoder.take();
    assert.equal(tile.acknowledged.at(-1), BigInt(sequence));
    await tile.pass(INTERVAL);
  }
  assert.deepEqual(tile.painted, []);
  await tile.letOut();
  assert.equal(tile.painted.length, 16);
  assert.equal(tile.acknowledged.length, 16, 'once');
});

test('a decoder that takes no more frames is dropped after two seconds, and the next keyframe gets another', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 5; sequence += 1) await tile.receive(sequence);
  for (let look = 0; look < 3; look += 1) await tile.pass(500);
  assert.equal(tile.decoder.state, 'configured');
  await tile.pass(500);
  assert.equal(tile.decoder.state, 'closed');
  assert.equal(tile.stats().broken, 3);
  assert.equal(tile.asked, 1);
  assert.equal(tile.acknowledged.at(-1), 4n);
  await tile.run(10, 12);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(tile.painted, [10, 11, 12]);
});

test('a slow decoder is not stuck, nor one that needs more frames, nor one that slept', async () => {
  const tile = setUp();
  for (let sequence = 0; sequence < 3; sequence += 1) await tile.receive(sequence);
  await tile.pass(60_000);
  for (let turn = 0; turn < 3; turn += 1) {
    for (let look = 0; look < 2; look += 1) await tile.pass(500);
    tile.decoder.take(1);
  }
  for (let look = 0; look < 10; look += 1) await tile.pass(500);
  assert.equal(tile.decoder.state, 'configured');
  assert.equal(FakeDecoder.all.length, 1);
});

test('while paused, any frame is decoded from its keyframe, the next one alone, and a frame that is held back is flushed out', async () => {
  const tile = setUp();
  /** @type {import('../worker/arrivals.js').Arrival[]} */
  const arrivals = [];
  for (let sequence = 0; sequence < 16; sequence += 1) {
    arrivals.push(/** @type {never} */ (tile.come(sequence)));
    tile.player.show(/** @type {never} */ (arrivals.at(-1)));
    await tile.letOut();
    await tile.pass(INTERVAL);
  }
  tile.player.setPaused(true);
  const before = tile.decoder.fed.length;
  const show = async (/** @type {number} */ at) => {
    tile.player.show(/** @type {never} */ (arrivals[at]));
    await tile.letOut();
  };
  await show(4);
  await show(5);
  await show(12);
  assert.deepEqual(names(tile.decoder).slice(before), [0, 1, 2, 3, 4, 5, 10, 11, 12]);
  assert.deepEqual(tile.painted.slice(-3), [4, 5, 12]);
  tile.player.show(/** @type {never} */ (arrivals[2]));
  await tile.pass(200);
  tile.decoder.decodeQueueSize = 0;
  await tile.pass(200);
  assert.equal(tile.decoder.flushed, 1);
  assert.equal(tile.painted.at(-1), 2);
  tile.player.setPaused(false);
  await tile.receive(16);
  await tile.letOut();
  assert.deepEqual(names(tile.decoder).slice(-7), [10, 11, 12, 13, 14, 15, 16]);
  assert.equal(tile.painted.at(-1), 16, 'live again, from the keyframe on');
});

test('the wait for a paused frame that a decoder loses ends', async () => {
  const tile = setUp();
  await tile.run(0, 3);
  tile.player.setPaused(true);
  const arrival = tile.come(4);
  assert.ok(arrival);
  tile.player.show(arrival);
  tile.decoder.take();
  tile.decoder.flush = async () => {};
  for (let look = 0; look < 25; look += 1) {
    await tile.pass(200);
    tile.stats();
  }
  assert.equal(tile.stats().busy, 0);
  tile.player.show(arrival);
  await tile.letOut();
  assert.equal(tile.painted.at(-1), 4);
});
