import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Picture } from '../worker/picture.js';
import { Together } from '../worker/together.js';

const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));

/** A worker with some tiles, its clock under the test's hand. Decoding takes no time, or for ever. @param {...number} ids */
function world(...ids) {
  let stuck = false;
  let now = 1_700_000_000_000;
  /** @type {{ at: number, act: () => void }[]} */
  let timers = [];
  /** @type {Map<number, bigint[]>} */
  const acknowledged = new Map(ids.map((id) => [id, []]));
  const after = (/** @type {number} */ time, /** @type {() => void} */ act) => {
    const timer = { at: now + time, act };
    timers.push(timer);
    return () => void (timers = timers.filter((other) => other !== timer));
  };
  const bitmap = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3, close() {} }));
  /** @type {Map<number, Picture>} */
  const pictures = new Map();
  const together = new Together({ now: () => now, offset: () => 0, after, pictures });
  for (const id of ids) {
    /** @type {Picture} */
    const picture = new Picture(id, {
      now: () => now,
      offset: () => 0,
      decode: () => (stuck ? new Promise(() => {}) : Promise.resolve(bitmap)),
      early: (arrival) => together.early(picture, arrival),
      after,
      onPaint: () => {},
      onDone: (sequence) => acknowledged.get(id)?.push(sequence),
    });
    picture.paintWith(() => {});
    pictures.set(id, picture);
  }
  /** @param {number} id @param {number} capturedAt milliseconds @param {number} sequence */
  const come = (id, capturedAt, sequence) => {
    const picture = pictures.get(id);
    const frame = { codec: /** @type {const} */ ('jpeg'), keyframe: true, rendition: 0, sentAt: 0 };
    const payload = new Uint8Array(10);
    const arrival = picture?.receive({ ...frame, id, capturedAt: capturedAt * 1000, sequence: BigInt(sequence), payload });
    if (picture && arrival) together.take(picture, arrival);
  };
  /** @param {number} to */
  const passTo = async (to) => {
    for (;;) {
      await settle();
      const next = timers.filter(({ at }) => at <= to).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers = timers.filter((timer) => timer !== next);
      now = Math.max(now, next.at);
      next.act();
    }
    now = to;
    await settle();
  };
  return {
    together,
    acknowledged,
    come,
    passTo,
    freezes: (/** @type {number} */ id) => pictures.get(id)?.stats(now).freezes.count,
    stopDecoding: () => (stuck = true),
    get now() {
      return now;
    },
    get timers() {
      return timers.length;
    },
    /** When the pictures on the screen were taken, in milliseconds. */
    shown: () => ids.map((id) => Math.round((pictures.get(id)?.capturedAt ?? 0) / 1000)),
    /** Runs cameras at ten frames a second, each with its own delay, for so many frames. */
    run: async (/** @type {Record<number, number>} */ delays, /** @type {number} */ frames) => {
      const start = Math.ceil(now / 100) * 100;
      const events = Object.entries(delays).flatMap(([id, delay]) =>
        Array.from({ length: frames }, (_, index) => ({ id: Number(id), captured: start + index * 100, delay })),
      );
      events.sort((a, b) => a.captured + a.delay - b.captured - b.delay);
      for (const { id, captured, delay } of events) {
        await passTo(Math.max(now, captured + delay));
        together.settle();
        come(id, captured, captured / 100);
        await settle();
      }
    },
  };
}

test('live, every tile shows the newest it has, and nothing waits', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  await settle();
  assert.equal(stage.shown()[0], captured);
  assert.equal(stage.timers, 0);
});

test('in step, everything is as old as the latest tile, and a little more', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  await stage.run({ 1: 20, 2: 420 }, 30);
  const { behind } = stage.together.mode;
  assert.ok(behind !== null && behind >= 420 && behind < 480, String(behind));
});

test('in step, a frame of the earlier tile is shown when the later one has the same', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  await stage.run({ 1: 20, 2: 420 }, 20);
  const behind = stage.together.mode.behind ?? 0;
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  await stage.passTo(captured + 420);
  stage.come(2, captured, captured / 100);
  await stage.passTo(captured + behind - 1);
  assert.ok(stage.shown().every((time) => time < captured), 'not yet due');
  await stage.passTo(captured + behind + 1);
  assert.deepEqual(stage.shown(), [captured, captured]);
});

test('what waits for the others is acknowledged at once', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  assert.equal(stage.acknowledged.get(1)?.at(-1), BigInt(captured / 100));
  assert.ok((stage.shown()[0] ?? 0) < captured);
});

test('what waits behind busy decoders is acknowledged when it is given up, and not before: this tab is slow', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  await stage.run({ 1: 20, 2: 420 }, 10);
  stage.stopDecoding();
  await stage.run({ 1: 20, 2: 420 }, 10);
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  await stage.passTo(captured + 420);
  assert.ok(!stage.acknowledged.get(1)?.includes(BigInt(captured / 100)), 'it waits');
  await stage.passTo(captured + 540);
  stage.come(1, captured + 100, captured / 100 + 1);
  await settle();
  assert.ok(stage.acknowledged.get(1)?.includes(BigInt(captured / 100)), 'a newer one was due');
});

test('out of step again, what waited is shown at once', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  stage.together.change(false, false);
  await settle();
  assert.equal(stage.shown()[0], captured);
  assert.equal(stage.timers, 0);
});

test('a tile that is too late is left out, and nobody waits for it', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 3000 }, 60);
  stage.together.change(true, false);
  assert.ok(stage.together.leavesOut(2) && !stage.together.leavesOut(1));
  assert.ok((stage.together.mode.behind ?? 999) < 100);
});

test('frozen, nothing moves, everything is acknowledged, and arrows step through what is remembered', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 20 }, 21);
  stage.together.change(false, true);
  const [frozen = 0] = stage.shown();
  await stage.run({ 1: 20, 2: 20 }, 5);
  assert.deepEqual(stage.shown(), [frozen, frozen]);
  assert.equal(stage.acknowledged.get(1)?.length, 26);
  stage.together.step(-1);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 100, frozen - 100]);
  for (let count = 0; count < 50; count += 1) {
    stage.together.step(-1);
    await settle();
  }
  assert.deepEqual(stage.shown(), [frozen - 2000, frozen - 2000]);
  assert.equal(stage.together.mode.at, (frozen - 2000) * 1000);
  stage.together.step(1);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 1900, frozen - 1900]);
});

test('frozen, one goes back by seconds, to the beginning and no further, and on again', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 20 }, 320);
  stage.together.change(false, true);
  const [frozen = 0] = stage.shown();
  stage.together.jump(-1);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 1000, frozen - 1000]);
  assert.equal(stage.together.mode.back, 1);
  stage.together.seek(99);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 30_000, frozen - 30_000]);
  stage.together.jump(1);
  stage.together.jump(99);
  await settle();
  assert.deepEqual(stage.shown(), [frozen, frozen]);
  assert.equal(stage.together.mode.back, 0);
});

test('from between two frames a step goes to the next one, and not to the one that is shown', async () => {
  const stage = world(1);
  await stage.run({ 1: 20 }, 40);
  stage.together.change(false, true);
  const [frozen = 0] = stage.shown();
  stage.together.seek(1.03);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 1100]);
  stage.together.step(-1);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 1200]);
});

test('a tile that is dragged goes ahead, and the others follow when it stands', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 20 }, 40);
  stage.together.change(false, true);
  const [frozen = 0] = stage.shown();
  stage.together.seek(2, 1);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 2000, frozen]);
  stage.together.seek(2);
  await settle();
  assert.deepEqual(stage.shown(), [frozen - 2000, frozen - 2000]);
});

test('a clip is all there is, or begins five seconds before the instant that is looked at', async () => {
  const stage = world(1);
  await stage.run({ 1: 20 }, 100);
  assert.deepEqual([stage.together.clip(1).frames.length, stage.together.clip(1).cursor], [100, Infinity]);
  stage.together.change(false, true);
  assert.equal(stage.together.clip(1).frames.length, 100);
  stage.together.seek(2);
  const { frames, cursor, cut } = stage.together.clip(1);
  assert.equal(frames.length, 71);
  assert.equal(frames[50]?.capturedAt, cursor);
  assert.equal(cut, false);
});

test('what somebody froze, or put in step, has not frozen by itself', async () => {
  const stage = world(1);
  await stage.run({ 1: 20 }, 40);
  stage.together.change(false, true);
  await stage.run({ 1: 20 }, 20);
  stage.together.step(-1);
  await stage.passTo(stage.now + 1000);
  stage.together.change(false, false);
  await stage.run({ 1: 20 }, 10);
  stage.together.change(true, false);
  await stage.run({ 1: 20 }, 10);
  assert.equal(stage.freezes(1), 0);
});

test('live again, each tile goes on where it is by now', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 20 }, 40);
  stage.together.change(false, true);
  stage.together.step(-1);
  await stage.run({ 1: 20 }, 5);
  const newest = Math.floor(stage.now / 100) * 100;
  stage.together.change(false, false);
  await settle();
  const [first = 0, second = 0] = stage.shown();
  assert.equal(first, newest);
  assert.equal(second, newest - 500, 'it sent nothing since, and shows its newest again');
});

test('frozen while in step, what was held can be stepped to', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  const captured = Math.ceil(stage.now / 100) * 100;
  await stage.passTo(captured + 20);
  stage.come(1, captured, captured / 100);
  stage.together.change(true, true);
  assert.equal(stage.timers, 0, 'nothing is shown by itself any more');
  stage.together.step(1);
  await settle();
  assert.ok((stage.shown()[0] ?? 0) > 0);
  assert.equal(stage.shown()[0], captured);
});

test('a tile that has never shown anything shows its first picture even while the wall is frozen', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20 }, 5);
  stage.together.change(false, true);
  stage.come(2, stage.now - 20, 1);
  await settle();
  assert.equal(stage.shown()[1], Math.round(stage.now - 20));
});

test('in step, a frame from the future waits for a few seconds and not for that', async () => {
  const stage = world(1, 2);
  await stage.run({ 1: 20, 2: 420 }, 30);
  stage.together.change(true, false);
  await stage.run({ 1: 20, 2: 420 }, 30);
  const future = stage.now + 3_600_000;
  stage.come(1, future, 999_999);
  await stage.passTo(stage.now + 7000);
  assert.equal(stage.shown()[0], future);
});
