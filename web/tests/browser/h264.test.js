import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, numberOn, sequenceOf, until, untilMoves, video, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */

const COUNT = 60;
/** The frame after the last of a GOP is a keyframe, so that its loss needs no request. @param {number} sequence */
const isLastOfGop = (sequence) => sequence % 20 === 19;
/** Each rendition numbers its frames from another start; see the mock relay. */
const HALF_FROM = 70_000;

/** Waits until the displayed frame and the number on the tile agree. @param {Page} page @param {number} [from] */
async function assertTrue(page, from = 0) {
  for (let look = 0; look < 400; look += 1) {
    const before = await sequenceOf(page, 'door');
    const number = await numberOn(page, 'door');
    // The page updates the number four times a second, so a later frame may be displayed already.
    const ahead = (number - ((before - from) % COUNT) + COUNT) % COUNT;
    assert.ok(ahead <= 4, `picture ${number} where the tile says ${before}`);
    if (ahead === 0) return;
  }
  assert.fail('the tile never reported the displayed frame');
}

/** Waits until a tile shows frames of this codec. @param {Page} page @param {string} codec */
async function untilCodec(page, codec) {
  await page.waitForSelector(`.tile[data-stream="door"][data-codec="${codec}"]`);
  await untilMoves(page, 'door');
}

/** @param {import('../mock-relay.js').MockRelay} relay @param {string} type */
const messagesOf = (relay, type) => relay.received.filter((said) => said.type === type);

test('the first picture is a JPEG, then H.264 is requested, and each frame is the right one', withMockRelay(async ({ relay, open }) => {
  relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'h264');
  const codecs = messagesOf(relay, 'watch').map(({ codec }) => codec);
  assert.deepEqual([codecs[0], codecs.at(-1)], [undefined, 'auto']);
  for (let look = 0; look < 5; look += 1) {
    await assertTrue(page);
    await untilMoves(page, 'door');
  }
  assert.deepEqual(messagesOf(relay, 'keyframe'), []);
  assert.match((await page.textContent('.tile .age')) ?? '', /^\d+ ms$/);
}));

test('a viewer that joins within a GOP sees the newest frame, and acknowledges all', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', video());
  stream.sequence = 38;
  const page = await open();
  await untilCodec(page, 'h264');
  await assertTrue(page);
  assert.ok((await sequenceOf(page, 'door')) > 38);
  const from = stream.sequence;
  await relay.until(() => messagesOf(relay, 'ack').some(({ sequence }) => sequence >= from));
  assert.match((await page.textContent('.tile .age')) ?? '', /^\d+ ms$/);
}));

test('a damaged frame is repaired by the next keyframe, which is requested', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'h264');
  let damage = 1;
  stream.spoil = (frame, sequence) => {
    if (isLastOfGop(sequence)) return frame;
    damage -= 1;
    return damage >= 0 ? Buffer.concat([frame.subarray(0, 32), Buffer.from([0, 0, 0, 1, 0x01, 0xff, 0xff, 0xff])]) : frame;
  };
  await relay.waitForMessage(({ type }) => type === 'keyframe');
  await untilMoves(page, 'door');
  await assertTrue(page);
}));

test('a lost frame is not skipped: a keyframe is requested', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'h264');
  const lost = stream.sequence + (isLastOfGop(stream.sequence + 3) ? 4 : 3);
  stream.spoil = (frame, sequence) => (sequence === lost ? null : frame);
  await relay.waitForMessage(({ type }) => type === 'keyframe');
  await untilMoves(page, 'door');
  await assertTrue(page);
}));

test('a resolution that changes within the stream is shown without a gap', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', [video(320, 180), video(160, 90)]);
  const page = await open();
  await untilCodec(page, 'h264');
  stream.carries = 1;
  await page.waitForFunction(() => document.querySelector('canvas')?.width === 160);
  await untilMoves(page, 'door');
  await assertTrue(page, HALF_FROM);
  stream.carries = 0;
  await page.waitForFunction(() => document.querySelector('canvas')?.width === 320);
  await untilMoves(page, 'door');
  await assertTrue(page);
  assert.deepEqual(messagesOf(relay, 'keyframe'), []);
}));

test('a camera that changes its size within one track is shown', withMockRelay(async ({ relay, open }) => {
  const source = { ...video(320, 180) };
  const small = video(160, 90);
  const stream = relay.add('door', source);
  const page = await open();
  await untilCodec(page, 'h264');
  await relay.until(() => stream.sequence % 20 === 19);
  source.video = small.video;
  await page.waitForFunction(() => document.querySelector('canvas')?.width === 160);
  await untilMoves(page, 'door');
  await assertTrue(page);
}));

test('a browser without a decoder gets JPEG, and so does a page without a secure context', withMockRelay(async ({ relay, open }) => {
  relay.before.set('/worker/main.js', 'delete self.VideoDecoder;');
  relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'jpeg');
  assert.equal((await relay.waitForMessage(({ type }) => type === 'watch')).codec, undefined);
  relay.before.clear();
  relay.received.length = 0;
  const insecure = await open('', {}, '', 'camera.test');
  assert.equal(await insecure.evaluate(() => isSecureContext), false);
  await untilCodec(insecure, 'jpeg');
  assert.equal(messagesOf(relay, 'watch')[0]?.codec, undefined);
}));

test('a page that cannot decode H.264 does not offer it, and says why', withMockRelay(async ({ relay, open }) => {
  relay.add('door', video());
  const cases = /** @type {const} */ ([
    ['camera.test', '', 'H.264 needs HTTPS'],
    ['127.0.0.1', 'delete self.VideoDecoder;', 'this browser does not decode H.264'],
  ]);
  for (const [host, before, why] of cases) {
    relay.before.set('/worker/main.js', before);
    const page = await open('', {}, '', host);
    await untilCodec(page, 'jpeg');
    await page.waitForSelector('#actions button');
    for (let press = 0; press < 3; press += 1) {
      await page.keyboard.press('c');
      await until(page, '#status-line', 'text', `Format: JPEG (${why})`);
    }
    await page.keyboard.press('i');
    await until(page, '.tile .details', 'text', `Why JPEG${why}`);
    await page.keyboard.press('?');
    const help = (await page.textContent('dialog')) ?? '';
    assert.ok(help.includes(`Format: JPEG (${why})`) && !help.includes('H.264 only'), help);
    assert.equal(await page.locator('dialog input').count(), 0);
    await page.close();
  }
}));

test('non-square pixels keep the shape of the tile across codecs and sizes', withMockRelay(async ({ relay, open }) => {
  // The camera's own H.264 has 640 × 180 pixels and is shown as 16:9. Its JPEG has 320 × 180 pixels.
  const wide = video(640, 180, '1/2');
  const full = { ...moving(320, 180), video: wide.video, gop: wide.gop, coded: { width: 640, height: 180 } };
  const stream = relay.add('door', [full, moving(160, 90)]);
  relay.add('hall', moving(320, 240));
  const page = await open('', {}, `
    globalThis.shapes = new Set();
    const note = () => {
      const tile = document.querySelector('.tile[data-stream="door"]');
      if (tile && !tile.matches('.enlarged') && tile.style.width) shapes.add(tile.style.width + ' ' + tile.style.height);
    };
    new MutationObserver(note).observe(document, { subtree: true, attributes: true, attributeFilter: ['style', 'class'] });
  `);
  await untilCodec(page, 'h264');
  const shape = await page.$eval('[data-stream="door"] canvas', (canvas) => canvas instanceof HTMLCanvasElement && canvas.width / canvas.height);
  assert.equal(shape, 16 / 9);
  await page.waitForSelector('#actions button');
  await page.keyboard.press('c');
  await untilCodec(page, 'jpeg');
  stream.carries = 1;
  await page.waitForFunction(() => document.querySelector('canvas')?.width === 160);
  stream.carries = 0;
  await page.keyboard.press('c');
  await untilCodec(page, 'h264');
  await page.click('[data-stream="door"] .view');
  await page.waitForSelector('.enlarged');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.enlarged', { state: 'detached' });
  await untilMoves(page, 'hall');
  const shapes = await page.evaluate(() => [...Reflect.get(globalThis, 'shapes')]);
  assert.equal(shapes.length, 1, shapes.join());
}));

test('a decoder that fails repeatedly is replaced by JPEG', withMockRelay(async ({ relay, open }) => {
  relay.before.set('/worker/main.js', 'VideoDecoder.prototype.decode = function () { throw new Error("out of order"); };');
  relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'jpeg');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await until(page, '.tile .details', 'text', 'this browser could not decode H.264');
}));

test('the key c switches between H.264 and JPEG without a gap, and the choice is stored', withMockRelay(async ({ relay, open }) => {
  relay.add('door', video());
  const page = await open();
  await untilCodec(page, 'h264');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('i');
  await until(page, '.tile .details', 'text', 'full · H.264');
  await page.keyboard.press('c');
  await untilCodec(page, 'jpeg');
  await until(page, '.tile .details', 'text', 'full · JPEG');
  await until(page, '#status-line', 'text', 'JPEG');
  await page.reload();
  await untilCodec(page, 'jpeg');
  await page.waitForSelector('#actions button');
  await page.keyboard.press('c');
  await untilCodec(page, 'h264');
  await assertTrue(page);
  await page.keyboard.press('c');
  assert.equal(await page.evaluate(() => localStorage.getItem('fanlight.codec')), 'auto');
}));
