import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';
import { Sync } from '../worker/sync.js';

const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));

/** Sets up some tiles. The test controls the clock. Decoding takes no time, or never ends. @param {...number} ids */
function setUp(...ids) {
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
  /** @type {Map<number, Player>} */
  const players = new Map();
  const sync = new Sync({ now: () => now, offset: () => 0, after, players });
  for (const id of ids) {
    /** @type {Player} */
    const player = new Player(id, {
      now: () => now,
      offset: () => 0,
      decode: () => (stuck ? new Promise(() => {}) : Promise.resolve(bitmap)),
      timeUntilDue: (arrival) => sync.timeUntilDue(player, arrival),
      after,
      onPaint: () => {},
      onAcknowledge: (sequence) => acknowledged.get(id)?.push(sequence),
    });
    player.paintWith(() => {});
    players.set(id, player);
  }
  /** @param {number} id @param {number} capturedAt milliseconds @param {number} sequence */
  const come = (id, capturedAt, sequence) => {
    const player = players.get(id);
    const frame = { codec: /** @type {const} */ ('jpeg'), keyframe: true, rendition: 0, sentAt: 0 };
    const payload = new Uint8Array(10);
    const arrival = player?.receive({ ...frame, id, capturedAt: capturedAt * 1000, sequence: BigInt(sequence), payload });
    if (player && arrival) sync.receive(player, arrival);
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
    sync,
    acknowledged,
    come,
    passTo,
    freezes: (/** @type {number} */ id) => players.get(id)?.stats(now).freezes.count,
    stopDecoding: () => (stuck = true),
    get now() {
      return now;
    },
    get timers() {
      return timers.length;
    },
    /** Returns the capture time of each displayed picture, in milliseconds. */
    shown: () => ids.map((id) => Math.round((players.get(id)?.capturedAt ?? 0) / 1000)),
    /** Runs cameras at ten frames a second, each with its own delay. */
    run: async (/** @type {Record<number, number>} */ delays, /** @type {number} */ frames) => {
      const start = Math.ceil(now / 100) * 100;
      const events = Object.entries(delays).flatMap(([id, delay]) =>
        Array.from({ length: frames }, (_, index) => ({ id: Number(id), captured: start + index * 100, delay })),
      );
      events.sort((a, b) => a.captured + a.delay - b.captured - b.delay);
      for (const { id, captured, delay } of events) {
        await passTo(Math.max(now, captured + delay));
        sync.update();
        come(id, captured, captured / 100);
        await settle();
      }
    },
  };
}

test('live, every tile shows its newest frame, and nothing waits', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  await settle();
  assert.equal(wall.shown()[0], captured);
  assert.equal(wall.timers, 0);
});

test('synced tiles are as old as the latest one, plus a margin', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  await wall.run({ 1: 20, 2: 420 }, 30);
  const { behind } = wall.sync.mode;
  assert.ok(behind !== null && behind >= 420 && behind < 480, String(behind));
});

test('a synced tile shows a frame when the latest tile has the frame of the same moment', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  await wall.run({ 1: 20, 2: 420 }, 20);
  const behind = wall.sync.mode.behind ?? 0;
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  await wall.passTo(captured + 420);
  wall.come(2, captured, captured / 100);
  await wall.passTo(captured + behind - 1);
  assert.ok(wall.shown().every((time) => time < captured), 'not yet due');
  await wall.passTo(captured + behind + 1);
  assert.deepEqual(wall.shown(), [captured, captured]);
});

test('a frame that waits for other tiles is acknowledged immediately', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  assert.equal(wall.acknowledged.get(1)?.at(-1), BigInt(captured / 100));
  assert.ok((wall.shown()[0] ?? 0) < captured);
});

test('a frame that waits for busy decoders is acknowledged when it is dropped, and not before: this tab is slow', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  await wall.run({ 1: 20, 2: 420 }, 10);
  wall.stopDecoding();
  await wall.run({ 1: 20, 2: 420 }, 10);
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  await wall.passTo(captured + 420);
  assert.ok(!wall.acknowledged.get(1)?.includes(BigInt(captured / 100)), 'it waits');
  await wall.passTo(captured + 540);
  wall.come(1, captured + 100, captured / 100 + 1);
  await settle();
  assert.ok(wall.acknowledged.get(1)?.includes(BigInt(captured / 100)), 'a newer one was due');
});

test('when sync ends, waiting frames are shown immediately', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  wall.sync.setMode(false, false);
  await settle();
  assert.equal(wall.shown()[0], captured);
  assert.equal(wall.timers, 0);
});

test('a tile that is too late is excluded, and the others do not wait for it', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 3000 }, 60);
  wall.sync.setMode(true, false);
  assert.ok(wall.sync.excludes(2) && !wall.sync.excludes(1));
  assert.ok((wall.sync.mode.behind ?? 999) < 100);
});

test('while paused, nothing moves, everything is acknowledged, and arrows step through the history', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 20 }, 21);
  wall.sync.setMode(false, true);
  const [paused = 0] = wall.shown();
  await wall.run({ 1: 20, 2: 20 }, 5);
  assert.deepEqual(wall.shown(), [paused, paused]);
  assert.equal(wall.acknowledged.get(1)?.length, 26);
  wall.sync.step(-1);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 100, paused - 100]);
  for (let count = 0; count < 50; count += 1) {
    wall.sync.step(-1);
    await settle();
  }
  assert.deepEqual(wall.shown(), [paused - 2000, paused - 2000]);
  assert.equal(wall.sync.mode.at, (paused - 2000) * 1000);
  wall.sync.step(1);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 1900, paused - 1900]);
});

test('while paused, seeking by seconds stops at both ends of the history', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 20 }, 320);
  wall.sync.setMode(false, true);
  const [paused = 0] = wall.shown();
  wall.sync.jump(-1);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 1000, paused - 1000]);
  assert.equal(wall.sync.mode.back, 1);
  wall.sync.seek(99);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 30_000, paused - 30_000]);
  wall.sync.jump(1);
  wall.sync.jump(99);
  await settle();
  assert.deepEqual(wall.shown(), [paused, paused]);
  assert.equal(wall.sync.mode.back, 0);
});

test('a step from between two frames goes to the next frame, and not to the displayed one', async () => {
  const wall = setUp(1);
  await wall.run({ 1: 20 }, 40);
  wall.sync.setMode(false, true);
  const [paused = 0] = wall.shown();
  wall.sync.seek(1.03);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 1100]);
  wall.sync.step(-1);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 1200]);
});

test('a step goes to the next frame of one tile, however many frames the others have until then', async () => {
  const wall = setUp(1, 2);
  const start = wall.now;
  for (let count = 0; count < 60; count += 1) {
    await wall.passTo(start + count * 20 + 10);
    wall.come(1, start + count * 20, count);
    if (count % 5 === 0) wall.come(2, start + count * 20 + 7, count);
  }
  await settle();
  wall.sync.setMode(false, true);
  const [, slow = 0] = wall.shown();
  wall.sync.step(-1, 2);
  await settle();
  assert.deepEqual(wall.shown(), [slow - 100 - 7, slow - 100], 'the other one follows to the instant');
  wall.sync.step(-1, 1);
  wall.sync.step(-1, 2);
  await settle();
  assert.deepEqual(wall.shown()[1], slow - 300, 'from the frame that it shows');
  wall.sync.step(1, 2);
  await settle();
  assert.deepEqual(wall.shown()[1], slow - 200);
  wall.sync.step(-1, 99);
  await settle();
  assert.deepEqual(wall.shown(), [slow - 207, slow - 300], 'with a tile that has no frames, any frame counts');
});

test('a tile that is dragged goes first, and the others follow when the drag ends', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 20 }, 40);
  wall.sync.setMode(false, true);
  const [paused = 0] = wall.shown();
  wall.sync.seek(2, 1);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 2000, paused]);
  wall.sync.seek(2);
  await settle();
  assert.deepEqual(wall.shown(), [paused - 2000, paused - 2000]);
});

test('a clip has all frames, or starts five seconds before the displayed instant', async () => {
  const wall = setUp(1);
  await wall.run({ 1: 20 }, 100);
  assert.deepEqual([wall.sync.clip(1).frames.length, wall.sync.clip(1).cursor], [100, Infinity]);
  wall.sync.setMode(false, true);
  assert.equal(wall.sync.clip(1).frames.length, 100);
  wall.sync.seek(2);
  const { frames, cursor, truncated } = wall.sync.clip(1);
  assert.equal(frames.length, 71);
  assert.equal(frames[50]?.capturedAt, cursor);
  assert.equal(truncated, false);
});

test('pausing and syncing count as no freeze', async () => {
  const wall = setUp(1);
  await wall.run({ 1: 20 }, 40);
  wall.sync.setMode(false, true);
  await wall.run({ 1: 20 }, 20);
  wall.sync.step(-1);
  await wall.passTo(wall.now + 1000);
  wall.sync.setMode(false, false);
  await wall.run({ 1: 20 }, 10);
  wall.sync.setMode(true, false);
  await wall.run({ 1: 20 }, 10);
  assert.equal(wall.freezes(1), 0);
});

test('after a pause each tile resumes with its newest frame', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 20 }, 40);
  wall.sync.setMode(false, true);
  wall.sync.step(-1);
  await wall.run({ 1: 20 }, 5);
  const newest = Math.floor(wall.now / 100) * 100;
  wall.sync.setMode(false, false);
  await settle();
  const [first = 0, second = 0] = wall.shown();
  assert.equal(first, newest);
  assert.equal(second, newest - 500, 'it sent nothing since, and shows its newest again');
});

test('frames that waited for sync can be stepped to while paused', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  const captured = Math.ceil(wall.now / 100) * 100;
  await wall.passTo(captured + 20);
  wall.come(1, captured, captured / 100);
  wall.sync.setMode(true, true);
  assert.equal(wall.timers, 0, 'nothing is shown by itself any more');
  wall.sync.step(1);
  await settle();
  assert.ok((wall.shown()[0] ?? 0) > 0);
  assert.equal(wall.shown()[0], captured);
});

test('a tile without a picture shows its first one even while the wall is paused', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20 }, 5);
  wall.sync.setMode(false, true);
  wall.come(2, wall.now - 20, 1);
  await settle();
  assert.equal(wall.shown()[1], Math.round(wall.now - 20));
});

test('a synced tile shows a frame from the future after a few seconds', async () => {
  const wall = setUp(1, 2);
  await wall.run({ 1: 20, 2: 420 }, 30);
  wall.sync.setMode(true, false);
  await wall.run({ 1: 20, 2: 420 }, 30);
  const future = wall.now + 3_600_000;
  wall.come(1, future, 999_999);
  await wall.passTo(wall.now + 7000);
  assert.equal(wall.shown()[0], future);
});
