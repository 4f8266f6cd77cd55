import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { capturedOf, moving, numberOn, PHONE, sequenceOf, untilAttribute, untilMoves, untilState, video, withMockRelay } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../mock-relay.js').MockRelay} MockRelay */

const COUNT = 60;
const SECOND = 1_000_000;

/** Opens a page with a camera in a codec, and waits until it remembers some seconds. @param {MockRelay} relay @param {(path?: string, options?: object) => Promise<Page>} open @param {'auto' | 'jpeg'} codec */
async function remembering(relay, open, codec, seconds = 3, path = '', options = {}) {
  const stream = relay.add('door', video());
  const page = await open(path, options);
  await page.evaluate((codec) => localStorage.setItem('fanlight.codec', codec), codec);
  await page.reload();
  await page.waitForSelector(`.tile[data-codec="${codec === 'jpeg' ? 'jpeg' : 'h264'}"]`);
  await page.waitForSelector('#actions button', { state: 'attached' });
  const from = await sequenceOf(page, 'door');
  await untilAttribute(page, 'door', 'data-sequence', { above: from + seconds * 10 });
  return { page, stream };
}

/** Drags the line of a tile to a share of its width, from its right end. @param {Page} page @param {number} share */
async function drag(page, share) {
  await page.hover('.tile[data-stream="door"] .view');
  const box = await page.locator('.tile[data-stream="door"] .scrubber').boundingBox();
  if (!box) throw new Error('there is no line');
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width - 2, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * share, y, { steps: 5 });
  await page.mouse.up();
}

/** Checks that a paused tile shows the frame whose number it reports. @param {Page} page */
async function assertTrue(page) {
  await page.waitForFunction(
    ([count]) => {
      const tile = document.querySelector('.tile[data-stream="door"]');
      const state = /** @type {{ last?: string }} */ (globalThis);
      const same = tile?.getAttribute('data-sequence') === state.last;
      state.last = tile?.getAttribute('data-sequence') ?? '';
      return same && count;
    },
    [COUNT],
    { polling: 300 },
  );
  assert.equal(await numberOn(page, 'door'), (await sequenceOf(page, 'door')) % COUNT);
}

/** @param {Page} page @param {string} key */
async function saved(page, key) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press(key)]);
  return { name: download.suggestedFilename(), path: await download.path() };
}

/** @param {string} path @param {string[]} more */
function ffprobe(path, ...more) {
  const args = ['-v', 'error', '-count_frames', '-show_entries', 'stream=codec_name,width,height,nb_read_frames,duration', '-of', 'json'];
  return JSON.parse(execFileSync('ffprobe', [...args, ...more, path], { encoding: 'utf8' })).streams[0];
}

for (const codec of /** @type {const} */ (['auto', 'jpeg'])) {
  const name = codec === 'jpeg' ? 'JPEG' : 'H.264';

  test(`${name}: dragging back shows an older picture with its age, steps, and resumes`, withMockRelay(async ({ relay, open }) => {
    const { page, stream } = await remembering(relay, open, codec);
    const before = await capturedOf(page, 'door');
    await drag(page, 1 - 2 / 30);
    await untilState(page, 'door', 'paused');
    await untilAttribute(page, 'door', 'data-captured', { below: before });
    await page.waitForSelector('.tile .age >> text=/^[2-9] s ago$/');
    assert.equal(await page.textContent('.tile .status'), 'Paused');
    await assertTrue(page);
    const from = await capturedOf(page, 'door');
    await page.keyboard.press('ArrowLeft');
    await untilAttribute(page, 'door', 'data-captured', { above: from - 0.2 * SECOND, below: from });
    await assertTrue(page);
    await page.keyboard.press('Shift+ArrowRight');
    await untilAttribute(page, 'door', 'data-captured', { above: from });
    await assertTrue(page);
    const later = await capturedOf(page, 'door');
    assert.ok(later - from > 0.6 * SECOND && later - from < 1.2 * SECOND, String(later - from));
    const passed = stream.sequence;
    await relay.until(() => stream.sequence >= passed + 5);
    assert.equal(await capturedOf(page, 'door'), later, 'it stays');
    await page.click('.pause-bar >> text=Back to live');
    await untilMoves(page, 'door');
    assert.equal(await page.inputValue('.scrubber'), '0');
    assert.deepEqual(relay.received.filter(({ type }) => type === 'keyframe'), []);
  }));
}

test('H.264: a picture is saved as displayed, and a clip is readable for every player', withMockRelay(async ({ relay, open }) => {
  const { page } = await remembering(relay, open, 'auto', 5);
  const clip = await saved(page, 'v');
  assert.match(clip.name, /^door-\d{4}(-\d\d){5}\.mp4$/);
  const { codec_name, width, height, nb_read_frames } = ffprobe(clip.path);
  assert.deepEqual([codec_name, width, height], ['h264', 320, 180]);
  assert.ok(Number(nb_read_frames) >= 50, nb_read_frames);
  assert.equal(execFileSync('ffmpeg', ['-v', 'error', '-i', clip.path, '-f', 'null', '-'], { encoding: 'utf8' }), '');
  await page.waitForSelector('#status-line >> text=/^door: clip saved \\(\\d+ s\\)$/');
  await drag(page, 1 - 3 / 30);
  await untilState(page, 'door', 'paused');
  await assertTrue(page);
  const looking = await saved(page, 'v');
  assert.ok(Number(ffprobe(looking.path).nb_read_frames) >= 50, 'what led to the moment is part of it');
  const picture = await saved(page, 'p');
  assert.match(picture.name, /\.png$/);
  const { width: wide, height: high } = ffprobe(picture.path);
  assert.deepEqual([wide, high], [320, 180]);
}));

test('JPEG: a picture is saved as received, and a clip has all frames', withMockRelay(async ({ relay, open }) => {
  const { page } = await remembering(relay, open, 'jpeg', 4);
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  await assertTrue(page);
  const picture = await saved(page, 'p');
  assert.match(picture.name, /\.jpg$/);
  const bytes = readFileSync(picture.path);
  const pictures = relay.streams.get('door')?.renditions[0]?.pictures ?? [];
  assert.ok(pictures[(await sequenceOf(page, 'door')) % COUNT]?.equals(bytes));
  const clip = await saved(page, 'v');
  assert.match(clip.name, /\.mjpeg$/);
  const { nb_read_frames } = ffprobe(clip.path, '-f', 'mjpeg');
  assert.ok(Number(nb_read_frames) >= 30, nb_read_frames);
}));

/** Frames of the smaller rendition of the mock relay are numbered from here. */
const SMALL = 70_000;

/** Opens a tile that was small for some seconds and is large now, and remembers both sizes. @param {MockRelay} relay @param {(path?: string, options?: object) => Promise<Page>} open @param {number} seconds of each size */
async function enlarged(relay, open, seconds) {
  relay.add('door', [video(640, 360), video(320, 180)]);
  for (const name of ['hall', 'roof', 'yard']) relay.add(name, moving());
  const page = await open('', { viewport: { width: 640, height: 400 } });
  await page.waitForSelector('.tile[data-stream="door"][data-codec="h264"]');
  await page.waitForSelector('#actions button', { state: 'attached' });
  const small = await sequenceOf(page, 'door');
  assert.ok(small > SMALL, String(small));
  await untilAttribute(page, 'door', 'data-sequence', { above: small + seconds * 10 });
  await page.click('.tile[data-stream="door"] .view');
  await untilAttribute(page, 'door', 'data-sequence', { above: 0, below: SMALL });
  const largeSince = performance.now();
  const large = await sequenceOf(page, 'door');
  await untilAttribute(page, 'door', 'data-sequence', { above: large + seconds * 10, below: SMALL });
  return { page, largeSince };
}

/** Presses a key, and waits until `count` files are saved. @param {Page} page @param {string} key @param {number} count */
async function savedAll(page, key, count) {
  /** @type {import('playwright-core').Download[]} */
  const downloads = [];
  const all = new Promise((resolve) => {
    page.on('download', (download) => {
      downloads.push(download);
      if (downloads.length === count) resolve(null);
    });
  });
  await page.keyboard.press(key);
  await all;
  return Promise.all(downloads.map(async (download) => ffprobe(await download.path())));
}

test('a clip after enlarging has all frames: one file for each size, the displayed one first', withMockRelay(async ({ relay, open }) => {
  const { page, largeSince } = await enlarged(relay, open, 5);
  const [now, before] = await savedAll(page, 'v', 2);
  assert.deepEqual([now.width, before.width], [640, 320]);
  assert.ok(Number(now.nb_read_frames) >= 30 && Number(before.nb_read_frames) >= 30, `${now.nb_read_frames} and ${before.nb_read_frames}`);
  assert.ok(Number(now.duration) > 2.8 && Number(before.duration) > 2.8, `${now.duration} and ${before.duration} s`);
  await page.waitForSelector('#status-line >> text=/^door: clip saved as 2 files \\(\\d+ s and \\d+ s: the resolution changed\\)$/');
  // The large size may start with a keyframe that is up to two seconds older.
  const back = (performance.now() - largeSince) / 1000 + 3;
  await drag(page, 1 - back / 30);
  await untilState(page, 'door', 'paused');
  await untilAttribute(page, 'door', 'data-sequence', { above: SMALL });
  const [looked] = await savedAll(page, 'v', 2);
  assert.equal(looked.width, 320, 'the one that holds the cursor');
}));

test('a picture is saved in full size and rotated, and a past one in the displayed size', withMockRelay(async ({ relay, open }) => {
  relay.add('door', [video(640, 360), video(320, 180)]);
  for (const name of ['hall', 'roof', 'yard']) relay.add(name, moving());
  const page = await open('', { viewport: { width: 640, height: 400 } });
  await untilAttribute(page, 'door', 'data-sequence', { above: SMALL });
  await page.waitForSelector('#actions button', { state: 'attached' });
  await page.hover('.tile[data-stream="door"] .view');
  assert.deepEqual(sizeOf((await saved(page, 'p')).path), [640, 360]);
  await page.waitForSelector('#status-line >> text=door: picture saved (640 × 360)');
  await page.keyboard.press('r');
  await page.waitForSelector('.tile[data-stream="door"][data-rotation="90"]');
  await page.waitForSelector('.tile[data-stream="door"][data-codec="h264"]');
  const clip = await saved(page, 'v');
  assert.equal(Math.abs(ffprobe(clip.path, '-show_entries', 'stream_side_data=rotation').side_data_list[0].rotation), 90, 'a clip is turned too');
  const full = await saved(page, 'p');
  assert.match(full.name, /\.jpg$/);
  assert.deepEqual(sizeOf(full.path), [360, 640]);
  assert.equal(numberFromTop(full.path), relay.snapshot % COUNT, 'its left side is its top');
  await page.waitForSelector('#status-line >> text=door: picture saved (360 × 640)');
  relay.snapshots = false;
  assert.deepEqual(sizeOf((await saved(page, 'p')).path), [180, 320]);
  await page.waitForSelector('#status-line >> text=door: picture saved (180 × 320: full resolution unavailable)');
  relay.snapshots = true;
  await page.keyboard.press('Space');
  await untilState(page, 'door', 'paused');
  const past = await saved(page, 'p');
  assert.deepEqual(sizeOf(past.path), [180, 320]);
  assert.equal(numberFromTop(past.path), ((await sequenceOf(page, 'door')) - SMALL) % COUNT);
  await page.waitForSelector('#status-line >> text=past pictures exist only in the displayed size');
}));

/** @param {string} path */
function sizeOf(path) {
  const { width, height } = ffprobe(path);
  return [width, height];
}

/** Returns the number that a picture of `video` shows after a rotation by 90°: its bars are stacked. @param {string} path */
function numberFromTop(path) {
  const args = ['-v', 'error', '-i', path, '-vf', 'format=gray,scale=1:8:flags=area', '-f', 'rawvideo', '-'];
  return [...execFileSync('ffmpeg', args)].reduce((sum, grey, bar) => sum + (grey > 127 ? 2 ** bar : 0), 0);
}

test('a relay without the muxer saves the raw stream, and says so', withMockRelay(async ({ relay, open }) => {
  relay.elsewhere.clear();
  const { page } = await remembering(relay, open, 'auto');
  const clip = await saved(page, 'v');
  assert.match(clip.name, /\.h264$/);
  assert.ok(Number(ffprobe(clip.path).nb_read_frames) >= 30);
  await page.waitForSelector('#status-line >> text=this relay was built without MP4 support');
}));

test('on a phone an enlarged tile is rewound by touch', withMockRelay(async ({ relay, open }) => {
  const { page } = await remembering(relay, open, 'auto', 3, '?stream=door', PHONE);
  const before = await capturedOf(page, 'door');
  const box = await page.locator('.scrubber').boundingBox();
  assert.ok(box && box.height >= 28 && box.x >= 0 && box.x + box.width <= 390, JSON.stringify(box));
  await page.touchscreen.tap(box.x + box.width * (1 - 2 / 30), box.y + box.height / 2);
  await untilState(page, 'door', 'paused');
  await untilAttribute(page, 'door', 'data-captured', { below: before });
  await page.waitForSelector('.tile .age >> text=/s ago$/');
  const [download] = await Promise.all([page.waitForEvent('download'), page.tap('.enlarged .tools [aria-label="Save clip"]')]);
  assert.match(download.suggestedFilename(), /\.mp4$/);
  await page.tap('.pause-bar >> text=Back to live');
  await untilMoves(page, 'door');
}));
