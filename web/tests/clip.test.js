import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { clipWords, save } from '../page/saving.js';
import { sizeIn } from '../worker/clip.js';
import { FakeDecoder, keyframe, platform } from './fake-decoder.js';

beforeEach(() => void Object.assign(globalThis, platform));
afterEach(() => {
  for (const name of Object.keys(platform)) Reflect.deleteProperty(globalThis, name);
});

test('the size of a clip is the one that a decoder finds in its keyframe', async () => {
  assert.deepEqual(await sizeIn('avc1.42E01F', keyframe(0)), { codedWidth: 4, codedHeight: 3 });
  assert.equal(FakeDecoder.all.at(-1)?.state, 'closed');
});

test('a keyframe without a picture makes no clip', async (t) => {
  t.mock.method(FakeDecoder.prototype, 'letOut', () => {});
  await assert.rejects(sizeIn('avc1.42E01F', keyframe(0)), /no picture/);
  assert.equal(FakeDecoder.all.at(-1)?.state, 'closed');
});

test('a clip that could not be saved is reported', async () => {
  const tile = /** @type {import('../page/tile.js').Tile} */ (/** @type {unknown} */ ({ name: 'door' }));
  assert.equal(await save(tile, null, { ahead: 0, full: '' }), 'door: could not save the clip');
  assert.equal(await save(tile, { what: 'nothing' }, { ahead: 0, full: '' }), 'door: nothing to save yet');
});

/** @param {number[]} lengths in seconds @param {Partial<Parameters<typeof clipWords>[0]>} [more] */
function words(lengths, more = {}) {
  const clips = lengths.map((seconds) => ({ blob: new Blob(), from: 0, seconds, kind: /** @type {const} */ ('mp4') }));
  return clipWords({ clips, reasons: [], omitted: 0, failed: 0, remembered: 30, truncated: false, ...more });
}

test('the message has the length of a clip, and the reason if it is shorter than requested', () => {
  assert.equal(words([30.2]), 'clip saved (30 s)');
  assert.equal(words([12], { remembered: 12 }), 'clip saved (12 s)');
  assert.equal(words([22.8, 7.1], { reasons: ['size'] }), 'clip saved as 2 files (23 s and 7 s: the resolution changed)');
  assert.equal(words([10, 9, 8], { reasons: ['size', 'codec'] }), 'clip saved as 3 files (10 s, 9 s and 8 s: the resolution changed, the codec changed)');
  const many = { reasons: /** @type {import('../shared/messages.js').SplitReason[]} */ (['size']), omitted: 2 };
  assert.equal(words([8, 4, 4], many), 'clip saved as 3 files (16 of 30 s: the resolution changed)');
  assert.equal(words([9], { remembered: 9, truncated: true }), "clip saved (9 of 30 s: this page's memory is full)");
  assert.equal(words([16], { failed: 1, reasons: ['codec'] }), 'clip saved (16 of 30 s: the rest could not be saved)');
  assert.equal(words([]), 'nothing to save yet');
  assert.equal(words([], { failed: 1 }), 'could not save the clip');
});
