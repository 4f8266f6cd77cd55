import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';
import { VirtualTime } from './virtual-time.js';

const SECOND = 1000;
const INTERVAL = 100;

/** Sets up a tile that receives a JPEG every tenth of a second. The test can stop the browser's decoder. */
function tile() {
  const time = new VirtualTime();
  const browser = { hangs: false, decodeTime: 10, calls: 0, closed: 0 };
  /** Finishes decoding frames that hang. @type {(() => void)[]} */
  const hanging = [];
  let acknowledged = 0n;
  let sequence = 0n;
  const decode = () => {
    browser.calls += 1;
    return new Promise((/** @type {(bitmap: ImageBitmap) => void} */ resolve) => {
      const bitmap = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3, close: () => (browser.closed += 1) }));
      if (browser.hangs) hanging.push(() => resolve(bitmap));
      else time.after(browser.decodeTime, () => resolve(bitmap));
    });
  };
  const player = new Player(1, {
    now: time.now,
    offset: () => 0,
    decode,
    after: time.after,
    onPaint: () => {},
    onAcknowledge: (reached) => (acknowledged = reached),
  });
  player.paintWith(() => {});
  return {
    time,
    browser,
    hanging,
    player,
    painted: () => player.stats(time.now()).painted,
    unacknowledged: () => Number(sequence - acknowledged),
    /** @param {number} duration in milliseconds */
    async run(duration) {
      for (let passed = 0; passed < duration; passed += INTERVAL) {
        sequence += 1n;
        const frame = { codec: /** @type {const} */ ('jpeg'), keyframe: true, rendition: 0, id: 1, sentAt: 0, capturedAt: time.now() * 1000 };
        const arrival = player.receive({ ...frame, sequence, payload: new Uint8Array(10) });
        if (arrival) player.show(arrival);
        await time.pass(INTERVAL);
      }
    },
  };
}

test('two JPEGs that are never decoded do not stop a tile', async () => {
  const { browser, run, painted, unacknowledged } = tile();
  browser.hangs = true;
  await run(2 * INTERVAL);
  browser.hangs = false;
  await run(2.5 * SECOND);
  assert.ok(painted() > 0);
  assert.ok(unacknowledged() <= 1, `${unacknowledged()} frames are not acknowledged`);
  const before = painted();
  await run(SECOND);
  assert.equal(painted() - before, 10);
});

test('one JPEG that is never decoded delays acks by 2.5 s at most', async () => {
  const { browser, run, unacknowledged } = tile();
  browser.hangs = true;
  await run(INTERVAL);
  browser.hangs = false;
  await run(2.5 * SECOND);
  assert.ok(unacknowledged() <= 1, `${unacknowledged()} frames are not acknowledged`);
});

test('a decoder that takes nearly two seconds is slow, and not stuck', async () => {
  const { browser, run, player, time } = tile();
  browser.decodeTime = 1900;
  await run(20 * SECOND);
  const { painted, broken } = player.stats(time.now());
  assert.equal(broken, 0);
  assert.ok(painted >= 18, String(painted));
});

test('a decoder that hangs for ten minutes holds few frames, and frames are acknowledged all the same', async () => {
  const { browser, run, unacknowledged } = tile();
  browser.hangs = true;
  await run(600 * SECOND);
  assert.ok(browser.calls <= 50, `${browser.calls} frames are with the browser`);
  assert.ok(unacknowledged() <= 30, `${unacknowledged()} frames are not acknowledged`);
  browser.hangs = false;
  await run(31 * SECOND);
  assert.ok(unacknowledged() <= 1);
});

test('a decoder that was stuck is used again as soon as it works, and late images are closed', async () => {
  const { browser, run, painted, hanging } = tile();
  browser.hangs = true;
  await run(10 * SECOND);
  browser.hangs = false;
  const { length } = hanging.splice(0).map((decode) => decode());
  await run(SECOND);
  assert.ok(painted() >= 9, String(painted()));
  assert.equal(browser.closed, length, 'what came late is not shown');
});

test('a machine that was suspended drops no JPEG', async () => {
  const { browser, run, time, player, hanging } = tile();
  browser.hangs = true;
  await run(INTERVAL);
  time.suspend(600 * SECOND);
  await time.pass(SECOND);
  hanging.splice(0).forEach((decode) => decode());
  await time.pass(SECOND);
  const { painted, broken } = player.stats(time.now());
  assert.deepEqual([painted, broken], [1, 0]);
});
