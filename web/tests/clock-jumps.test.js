import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';
import { Sync } from '../worker/sync.js';
import { VirtualTime } from './virtual-time.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const INTERVAL = 100;
/** A hundred of these fill the history of a wall. All frames share one, so that the test needs little memory. */
const PAYLOAD = new Uint8Array(2 ** 20);

/** Sets up a synced wall whose tiles receive JPEGs from a relay with a clock of its own. @param {...number} ids */
async function wallInStep(...ids) {
  const time = new VirtualTime();
  const clock = { relay: 0, measured: 0 };
  const bitmap = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3, close() {} }));
  /** @type {Map<number, Player>} */
  const players = new Map();
  const offset = () => clock.measured;
  const sync = new Sync({ now: time.now, offset, after: time.after, players });
  for (const id of ids) {
    /** @type {Player} */
    const player = new Player(id, {
      now: time.now,
      offset,
      decode: () => Promise.resolve(bitmap),
      timeUntilDue: (arrival) => sync.timeUntilDue(player, arrival),
      after: time.after,
      onPaint: () => {},
    });
    player.paintWith(() => {});
    players.set(id, player);
  }
  let sequence = 0;
  const wall = {
    time,
    clock,
    sync,
    /** Sends a frame to these tiles every tenth of a second. @param {number} duration in milliseconds @param {number[]} [to] */
    async run(duration, to = ids) {
      for (let passed = 0; passed < duration; passed += INTERVAL) {
        sequence += 1;
        sync.update();
        for (const [id, player] of players) {
          if (!to.includes(id)) continue;
          const frame = { codec: /** @type {const} */ ('jpeg'), keyframe: true, rendition: 0, sentAt: 0, id, sequence: BigInt(sequence) };
          const arrival = player.receive({ ...frame, capturedAt: (time.now() + clock.relay - 20) * 1000, payload: PAYLOAD });
          if (arrival) sync.receive(player, arrival);
        }
        await time.pass(INTERVAL);
      }
    },
    /** Returns the age of each tile's picture by the relay's clock, in milliseconds. */
    ages: () => [...players.values()].map(({ capturedAt }) => time.now() + clock.relay - (capturedAt ?? 0) / 1000),
    /** Returns the number of frames painted so far on each tile. */
    painted: () => [...players.values()].map((player) => player.stats(time.now()).painted),
  };
  await wall.run(SECOND);
  sync.setMode(true, false);
  await wall.run(20 * SECOND);
  return wall;
}

for (const back of [3 * SECOND, MINUTE, 60 * MINUTE]) {
  test(`a synced wall continues when the relay returns with a clock ${back / SECOND} s behind`, async () => {
    const { run, ages, clock, painted } = await wallInStep(1, 2);
    clock.relay = clock.measured = -back;
    await run(3 * SECOND);
    const before = painted();
    await run(SECOND);
    for (const [at, count] of painted().entries()) assert.ok(count >= (before[at] ?? 0) + 8, `${count - (before[at] ?? 0)} frames`);
    assert.ok(ages().every((age) => age >= 0 && age < 300), `${ages()}`);
  });
}

test('a tile whose stream ended takes no memory from the others when the clock was set back', async () => {
  const { run, ages, clock, sync } = await wallInStep(1, 2);
  const ended = sync.clip(2).frames.length;
  assert.ok(ended > 10, 'the second tile remembers something');
  clock.relay = clock.measured = -60 * MINUTE;
  await run(30 * SECOND, [1]);
  assert.ok(sync.clip(1).frames.length > 80, `${sync.clip(1).frames.length} frames of the first tile`);
  const [age = -1] = ages();
  assert.ok(age >= 0 && age < 300, String(age));
});

for (const jump of [10 * SECOND, 10 * MINUTE]) {
  test(`frames wait no longer than two seconds while the measured clock is off by ${jump / SECOND} s`, async () => {
    const { run, ages, clock, painted } = await wallInStep(1, 2);
    // The machine slept, and its clock with it: for the page the relay's clock has leapt ahead.
    clock.relay = jump;
    await run(2.5 * SECOND);
    const before = painted();
    await run(2 * SECOND);
    for (const [at, count] of painted().entries()) assert.ok(count >= (before[at] ?? 0) + 15, `${count - (before[at] ?? 0)} frames`);
    assert.ok(ages().every((age) => age < 2300), `${ages()}`);
  });
}

test('frames that wait because of a wrong clock are shown within a quarter of a second after it is corrected', async () => {
  const { run, ages, clock, time } = await wallInStep(1);
  clock.relay = 10 * MINUTE;
  await run(SECOND);
  clock.measured = 10 * MINUTE;
  await time.pass(260);
  assert.ok((ages()[0] ?? 0) < 500, `${ages()}`);
});
