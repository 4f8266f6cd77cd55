import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoders } from '../worker/decoders.js';
import { Gop } from '../worker/gop.js';
import { FakeDecoder, keyframe, platform } from './fake-decoder.js';
import { VirtualTime } from './virtual-time.js';

const MINUTE = 60_000;

/** Sets up the decoders of one tile, and records each change of `h264Failed`. */
function tile() {
  const time = new VirtualTime();
  /** @type {{ at: number, h264Failed: boolean }[]} */
  const changes = [];
  const begun = time.now();
  const decoders = new Decoders(
    {
      now: time.now,
      after: time.after,
      platform,
      decode: () => Promise.reject(new Error('no JPEG comes')),
      onSupportChange: () => changes.push({ at: (time.now() - begun) / MINUTE, h264Failed: decoders.h264Failed }),
    },
    () => {},
  );
  /** Makes the decoder fail at a keyframe, as at an unknown profile. */
  const fail = async () => {
    const frame = { codec: /** @type {const} */ ('h264'), keyframe: true, rendition: 0, id: 1, sequence: 1n, capturedAt: 0, sentAt: 0 };
    const arrival = { frame: { ...frame, payload: keyframe(1) }, order: 1, arrivedAt: 0, first: false, journey: null, gop: null, index: 0 };
    new Gop().add(arrival);
    const decoded = decoders.of('h264')?.decode([arrival], false, () => {});
    FakeDecoder.all.at(-1)?.fail('NotSupportedError');
    await assert.rejects(Promise.resolve(decoded));
  };
  return { time, decoders, changes, fail };
}

test('H.264 that could not be decoded is retried after a minute', async () => {
  const { time, decoders, changes, fail } = tile();
  await fail();
  await time.pass(MINUTE - 1);
  assert.equal(decoders.h264Failed, true);
  await time.pass(1);
  assert.deepEqual(changes, [{ at: 0, h264Failed: true }, { at: 1, h264Failed: false }]);
});

test('H.264 that fails repeatedly is retried ever less often, and at least every 16 minutes', async () => {
  const { time, decoders, changes, fail } = tile();
  await fail();
  for (let minute = 0; minute < 120; minute += 1) {
    await time.pass(MINUTE);
    if (!decoders.h264Failed) await fail();
  }
  const attempts = changes.filter(({ h264Failed }) => !h264Failed).map(({ at }) => at);
  assert.deepEqual(attempts, [1, 3, 7, 15, 31, 47, 63, 79, 95, 111]);
});

test('H.264 is retried immediately, and once, when the viewer chooses it', async () => {
  const { time, decoders, changes, fail } = tile();
  await fail();
  decoders.retryH264();
  assert.equal(decoders.h264Failed, false);
  await time.pass(10 * MINUTE);
  assert.deepEqual(changes, [{ at: 0, h264Failed: true }]);
});
