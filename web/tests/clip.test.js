import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { sizeIn } from '../clip.js';
import { save } from '../saving.js';
import { FakeDecoder, keyframe, platform } from './decoder.js';

beforeEach(() => void Object.assign(globalThis, platform));
afterEach(() => {
  for (const name of Object.keys(platform)) Reflect.deleteProperty(globalThis, name);
});

test('the size of a clip is what a decoder finds in its keyframe', async () => {
  assert.deepEqual(await sizeIn('avc1.42E01F', keyframe(0)), { codedWidth: 4, codedHeight: 3 });
  assert.equal(FakeDecoder.all.at(-1)?.state, 'closed');
});

test('a keyframe out of which no picture comes makes no clip', async (t) => {
  t.mock.method(FakeDecoder.prototype, 'letOut', () => {});
  await assert.rejects(sizeIn('avc1.42E01F', keyframe(0)), /no picture/);
  assert.equal(FakeDecoder.all.at(-1)?.state, 'closed');
});

test('a clip that could not be made is told of', async () => {
  const tile = /** @type {import('../tile.js').Tile} */ (/** @type {unknown} */ ({ name: 'door' }));
  assert.equal(await save(tile, null, 0), 'door: the clip could not be made');
});
