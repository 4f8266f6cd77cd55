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
  const stage = setUp();
  await stage.run(0, 12);
  assert.deepEqual(stage.painted, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(names(stage.decoder), stage.painted);
  assert.deepEqual(stage.decoder.configured, ['avc1.42E01F']);
  assert.equal(stage.acknowledged.length, 13);
  assert.equal(stage.stats().codec, 'h264');
});

test('a burst is decoded completely, and only its last frame is painted; the others do not count as dropped', async () => {
  const stage = setUp();
  const taken = 1_700_000_000_000 - 9 * INTERVAL;
  for (let sequence = 0; sequence < 10; sequence += 1) await stage.receive(sequence, { takenAt: taken + sequence * INTERVAL });
  while (stage.painted.length === 0) await stage.letOut();
  assert.deepEqual(stage.painted, [9]);
  assert.deepEqual(names(stage.decoder), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(stage.decoder.closed, 9, 'all others are closed');
  assert.equal(stage.acknowledged.at(-1), 9n);
  assert.equal(stage.stats().dropped, 0);
});

test('a keyframe may be shown before the burst behind it; the burst does not count as dropped', async () => {
  const stage = setUp();
  const taken = 1_700_000_000_000 - 9 * INTERVAL;
  await stage.receive(0, { takenAt: taken });
  await stage.letOut();
  for (let sequence = 1; sequence < 10; sequence += 1) await stage.receive(sequence, { takenAt: taken + sequence * INTERVAL });
  while (stage.painted.length < 2) await stage.letOut();
  assert.deepEqual(stage.painted, [0, 9]);
  assert.equal(stage.stats().dropped, 0);
});

test('while the decoder is busy the newest frame wins, after the frames that it needs', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 7; sequence += 1) {
    await stage.receive(sequence);
    await stage.pass(INTERVAL);
  }
  assert.deepEqual(names(stage.decoder), [0, 1, 2], 'a short queue');
  await stage.letOut(3);
  assert.deepEqual(names(stage.decoder), [0, 1, 2, 3, 4, 5, 6]);
  await stage.letOut();
  assert.deepEqual(stage.painted, [0, 1, 2, 6]);
});

test('a decoder that is half a second behind drops the rest of the GOP, and never a reference', async () => {
  const stage = setUp();
  await stage.run(0, 1);
  for (let sequence = 2; sequence < 10; sequence += 1) {
    await stage.receive(sequence);
    await stage.pass(150);
  }
  await stage.letOut();
  assert.deepEqual(names(stage.decoder), [0, 1, 2, 3, 4]);
  assert.ok(stage.stats().dropped >= 5);
  await stage.run(10, 12);
  assert.deepEqual(stage.painted.slice(-3), [10, 11, 12]);
  assert.equal(stage.asked, 0, 'the others pay for no keyframe');
  assert.equal(stage.acknowledged.at(-1), 12n);
});

test('a delta without its predecessor is not decoded; a keyframe is requested once a second', async () => {
  const stage = setUp();
  await stage.run(0, 2);
  await stage.run(4, 6);
  assert.deepEqual(names(stage.decoder), [0, 1, 2]);
  assert.equal(stage.asked, 1);
  await stage.pass(1000);
  await stage.run(7, 7);
  assert.equal(stage.asked, 2);
  await stage.run(10, 11);
  assert.deepEqual(stage.painted, [0, 1, 2, 10, 11]);
  assert.equal(stage.acknowledged.at(-1), 11n);
});

test('a rendition that gets another number within its track breaks no GOP', async () => {
  const stage = setUp();
  await stage.run(0, 2);
  stage.player.restartTrack();
  for (const sequence of [3, 4]) {
    await stage.receive(sequence, { rendition: 1 });
    await stage.letOut();
    await stage.pass(INTERVAL);
  }
  assert.deepEqual(stage.painted, [0, 1, 2, 3, 4]);
  assert.equal(stage.asked, 0);
  assert.equal(stage.acknowledged.at(-1), 4n);
});

test('a stream that starts without a keyframe requests one', async () => {
  const stage = setUp();
  await stage.receive(5);
  await stage.receive(6);
  assert.equal(FakeDecoder.all.length, 0);
  assert.equal(stage.asked, 1);
});

test('a failure is repaired by the next keyframe and a new decoder', async () => {
  const stage = setUp();
  await stage.run(0, 3);
  await stage.receive(4);
  stage.decoder.fail('EncodingError');
  await settle();
  await stage.run(5, 5);
  assert.equal(stage.asked, 1);
  assert.equal(stage.stats().broken, 1);
  await stage.run(10, 11);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(stage.painted, [0, 1, 2, 3, 10, 11]);
  assert.equal(stage.acknowledged.at(-1), 11n);
  assert.equal(stage.h264Failed, 0);
});

test('repeated failures in a short time, or an unsupported stream, disable H.264', async () => {
  const stage = setUp();
  for (const sequence of [0, 10, 20]) {
    await stage.receive(sequence);
    stage.decoder.fail('EncodingError');
    await settle();
  }
  assert.equal(stage.h264Failed, 1);
  assert.equal(stage.stats().h264Failed, true);
  stage.player.decoders.retryH264();
  await stage.receive(30);
  stage.decoder.fail('NotSupportedError');
  assert.equal(stage.h264Failed, 2);
});

test('a frame without a picture is acknowledged, not decoded, and breaks nothing', async () => {
  const stage = setUp();
  await stage.run(0, 2);
  for (const [at, payload] of [[], [0, 0, 0, 1, 0x09, 0xf0], [0, 0, 1, 0x06, 5, 1]].entries()) {
    await stage.receive(3 + at, { payload: new Uint8Array(payload) });
    assert.equal(stage.acknowledged.at(-1), BigInt(3 + at));
  }
  await stage.run(6, 7);
  assert.deepEqual(names(stage.decoder), [0, 1, 2, 6, 7]);
  assert.deepEqual(stage.painted, [0, 1, 2, 6, 7]);
  assert.deepEqual([stage.asked, stage.stats().broken, stage.stats().dropped], [0, 0, 0]);
});

test('keyframes without a picture are no failure of the decoder; the deltas after them need another one', async () => {
  const stage = setUp();
  await stage.run(0, 2);
  for (const sequence of [10, 20, 30]) {
    await stage.receive(sequence, { payload: keyframe(sequence).slice(0, 9) });
    await stage.receive(sequence + 1);
  }
  assert.deepEqual(names(stage.decoder), [0, 1, 2]);
  assert.deepEqual([stage.asked, stage.h264Failed, stage.stats().broken], [1, 0, 0]);
  await stage.run(40, 41);
  assert.deepEqual(stage.painted.slice(-2), [40, 41]);
});

test('a decoder that the browser reclaims is no failure', async () => {
  const stage = setUp();
  await stage.run(0, 3);
  stage.decoder.fail('QuotaExceededError');
  await stage.run(4, 4);
  assert.deepEqual(names(stage.decoder), [0, 1, 2, 3, 4], 'it begins where it can');
  assert.deepEqual(stage.painted.at(-1), 4);
  assert.equal(stage.asked, 0);
});

test('another parameter set configures the decoder; the same one does not', async () => {
  const stage = setUp();
  await stage.run(0, 10);
  assert.equal(stage.decoder.configured.length, 1);
  await stage.receive(20, { level: 0x28 });
  await stage.letOut();
  assert.deepEqual(stage.decoder.configured, ['avc1.42E01F', 'avc1.42E028']);
  assert.equal(stage.painted.at(-1), 20);
});

test('catch-up frames of another rendition never go back in time', async () => {
  const stage = setUp();
  await stage.run(0, 9);
  stage.player.restartTrack();
  const now = 1_700_000_000_000 + 10 * INTERVAL;
  for (let index = 0; index < 6; index += 1) {
    await stage.receive(70 + index, { key: index === 0, rendition: 1, takenAt: now - (5 - index) * INTERVAL });
    await stage.letOut();
  }
  assert.deepEqual(stage.painted.slice(-2), [9, 75]);
  assert.equal(stage.stats().rendition, 1);
});

test('a decoder that holds frames back makes pictures as old as they are', async () => {
  const stage = setUp();
  await stage.receive(0);
  for (let sequence = 1; sequence < 6; sequence += 1) {
    await stage.pass(INTERVAL);
    await stage.receive(sequence);
    if (sequence >= 2) await stage.letOut(1);
  }
  assert.deepEqual(stage.painted, [0, 1, 2, 3]);
  assert.equal(Math.round(stage.stats().age ?? 0), 2 * INTERVAL);
});

test('a suspended tile has no decoder, and gets another when it starts', async () => {
  const stage = setUp();
  await stage.run(0, 3);
  await stage.receive(4);
  stage.player.suspend();
  await settle();
  assert.equal(stage.decoder.state, 'closed');
  assert.equal(stage.acknowledged.at(-1), 4n);
  stage.player.start();
  await stage.run(20, 21);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(stage.painted.slice(-2), [20, 21]);
});

test('a tile that was suspended while paused can be stepped, and has no decoder after it resumes', async () => {
  const stage = setUp();
  /** @type {import('../worker/arrivals.js').Arrival[]} */
  const arrivals = [];
  for (let sequence = 0; sequence < 4; sequence += 1) {
    arrivals.push(/** @type {never} */ (stage.come(sequence)));
    stage.player.show(/** @type {never} */ (arrivals.at(-1)));
    await stage.letOut();
    await stage.pass(INTERVAL);
  }
  const show = async (/** @type {number} */ at) => {
    stage.player.show(/** @type {never} */ (arrivals[at]));
    await settle();
  };
  stage.player.setPaused(true);
  stage.player.suspend();
  await show(1);
  await stage.letOut();
  assert.equal(stage.painted.at(-1), 1);
  stage.player.setPaused(false);
  await show(3);
  assert.equal(stage.decoder.state, 'closed');
  assert.equal(FakeDecoder.all.length, 1, 'and gets none');
  stage.player.start();
  await stage.run(20, 21);
  assert.deepEqual(stage.painted.slice(-2), [20, 21]);
});

test('a frame that waits for a decoder is acknowledged when the tile is suspended', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 5; sequence += 1) await stage.receive(sequence);
  stage.player.suspend();
  await settle();
  assert.equal(stage.decoder.state, 'closed');
  assert.equal(FakeDecoder.all.length, 1);
  assert.equal(stage.acknowledged.at(-1), 4n);
});

test('a decoder that returns nothing is dropped', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 22; sequence += 1) {
    await stage.receive(sequence, { key: sequence === 0 });
    stage.decoder.take();
  }
  assert.equal(stage.stats().broken, 22);
  assert.equal(stage.decoder.state, 'closed');
});

test('a frame that a decoder holds back is acknowledged when it is taken, and a waiting one is not', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 16; sequence += 1) {
    await stage.receive(sequence, { key: sequence === 0 });
    assert.equal(stage.acknowledged.length, sequence, 'it waits');
    stage.decoder.take();
    assert.equal(stage.acknowledged.at(-1), BigInt(sequence));
    await stage.pass(INTERVAL);
  }
  assert.deepEqual(stage.painted, []);
  await stage.letOut();
  assert.equal(stage.painted.length, 16);
  assert.equal(stage.acknowledged.length, 16, 'once');
});

test('a decoder that takes no more frames is dropped after two seconds, and the next keyframe gets another', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 5; sequence += 1) await stage.receive(sequence);
  for (let look = 0; look < 3; look += 1) await stage.pass(500);
  assert.equal(stage.decoder.state, 'configured');
  await stage.pass(500);
  assert.equal(stage.decoder.state, 'closed');
  assert.equal(stage.stats().broken, 3);
  assert.equal(stage.asked, 1);
  assert.equal(stage.acknowledged.at(-1), 4n);
  await stage.run(10, 12);
  assert.equal(FakeDecoder.all.length, 2);
  assert.deepEqual(stage.painted, [10, 11, 12]);
});

test('a slow decoder is not stuck, nor one that needs more frames, nor one that slept', async () => {
  const stage = setUp();
  for (let sequence = 0; sequence < 3; sequence += 1) await stage.receive(sequence);
  await stage.pass(60_000);
  for (let turn = 0; turn < 3; turn += 1) {
    for (let look = 0; look < 2; look += 1) await stage.pass(500);
    stage.decoder.take(1);
  }
  for (let look = 0; look < 10; look += 1) await stage.pass(500);
  assert.equal(stage.decoder.state, 'configured');
  assert.equal(FakeDecoder.all.length, 1);
});

test('while paused, any frame is decoded from its keyframe, the next one alone, and a frame that is held back is flushed out', async () => {
  const stage = setUp();
  /** @type {import('../worker/arrivals.js').Arrival[]} */
  const arrivals = [];
  for (let sequence = 0; sequence < 16; sequence += 1) {
    arrivals.push(/** @type {never} */ (stage.come(sequence)));
    stage.player.show(/** @type {never} */ (arrivals.at(-1)));
    await stage.letOut();
    await stage.pass(INTERVAL);
  }
  stage.player.setPaused(true);
  const before = stage.decoder.fed.length;
  const show = async (/** @type {number} */ at) => {
    stage.player.show(/** @type {never} */ (arrivals[at]));
    await stage.letOut();
  };
  await show(4);
  await show(5);
  await show(12);
  assert.deepEqual(names(stage.decoder).slice(before), [0, 1, 2, 3, 4, 5, 10, 11, 12]);
  assert.deepEqual(stage.painted.slice(-3), [4, 5, 12]);
  stage.player.show(/** @type {never} */ (arrivals[2]));
  await stage.pass(200);
  stage.decoder.decodeQueueSize = 0;
  await stage.pass(200);
  assert.equal(stage.decoder.flushed, 1);
  assert.equal(stage.painted.at(-1), 2);
  stage.player.setPaused(false);
  await stage.receive(16);
  await stage.letOut();
  assert.deepEqual(names(stage.decoder).slice(-7), [10, 11, 12, 13, 14, 15, 16]);
  assert.equal(stage.painted.at(-1), 16, 'live again, from the keyframe on');
});

test('the wait for a paused frame that a decoder loses ends', async () => {
  const stage = setUp();
  await stage.run(0, 3);
  stage.player.setPaused(true);
  const arrival = stage.come(4);
  assert.ok(arrival);
  stage.player.show(arrival);
  stage.decoder.take();
  stage.decoder.flush = async () => {};
  for (let look = 0; look < 25; look += 1) {
    await stage.pass(200);
    stage.stats();
  }
  assert.equal(stage.stats().busy, 0);
  stage.player.show(arrival);
  await stage.letOut();
  assert.equal(stage.painted.at(-1), 4);
});
