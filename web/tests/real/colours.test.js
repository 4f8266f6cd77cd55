// Colours: the page shows the same in both codecs, whatever a camera declares.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { withSite } from './harness.js';

/** @typedef {import('playwright-core').Page} Page */

/** Red, green, blue and yellow, row by row. */
const QUARTERS = [[200, 50, 40], [60, 180, 70], [50, 60, 200], [210, 200, 70]];
/** The steps of 8 bits, of both codecs, of the scaling to the tile and of Chromium's own conversion, which takes most of them. */
const TOLERANCE = 7;

const declared = (/** @type {string} */ matrix, /** @type {string} */ range) => ({ filter: matrix, matrix, range });
/** Cameras: matrix and range of their H.264, and the declaration of both. */
const CAMERAS = {
  'bt601-limited': { size: '320x240', ...declared('smpte170m', 'tv') },
  'bt601-full': { size: '320x240', ...declared('smpte170m', 'pc') },
  'bt709-limited': { size: '320x240', ...declared('bt709', 'tv') },
  'bt709-full': { size: '320x240', ...declared('bt709', 'pc') },
  'undeclared-small': { size: '640x480', filter: 'smpte170m', matrix: 'unknown', range: 'tv' },
  'undeclared-large': { size: '1280x720', filter: 'bt709', matrix: 'unknown', range: 'tv' },
};

/**
 * Makes a clip of the quarters.
 * @param {string} path @param {{ size: string, filter: string, matrix: string, range: string }} camera
 */
function makeClip(path, { size, filter, matrix, range }) {
  const [width = 0, height = 0] = size.split('x').map(Number);
  const colours = QUARTERS.map(([r = 0, g = 0, b = 0]) => `0x${(r * 65_536 + g * 256 + b).toString(16).padStart(6, '0')}`);
  const quarters = colours.map((colour, at) => `color=c=${colour}:s=${width / 2}x${height / 2}:r=10:d=2,format=gbrp[q${at}]`).join(';');
  const graph = `${quarters};[q0][q1]hstack[a];[q2][q3]hstack[b];[a][b]vstack,`
    + `scale=out_color_matrix=${filter}:out_range=${range}:flags=accurate_rnd+full_chroma_int,format=yuv420p`;
  const primaries = matrix === 'unknown' ? 'unknown' : 'bt709';
  const args = ['-v', 'error', '-y', '-filter_complex', graph, '-c:v', 'libx264', '-tune', 'zerolatency', '-g', '10', '-crf', '8',
    '-colorspace', matrix, '-color_range', range, '-color_primaries', primaries, '-color_trc', primaries, path];
  const made = spawnSync('ffmpeg', args, { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
}

/** Returns the colours in the middle of the quarters of a tile. @param {Page} page @param {string} stream */
function coloursOn(page, stream) {
  return page.evaluate((stream) => {
    const shown = document.querySelector(`.tile[data-stream="${stream}"] canvas`);
    const context = document.createElement('canvas').getContext('2d');
    if (!(shown instanceof HTMLCanvasElement) || !context) throw new Error(`there is no tile ${stream}`);
    return [[1, 1], [3, 1], [1, 3], [3, 3]].map(([x = 0, y = 0]) => {
      context.drawImage(shown, (shown.width * x) / 4, (shown.height * y) / 4, 1, 1, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    });
  }, stream);
}

test('the page shows a camera in the same colours in H.264 and in JPEG', withSite(async (site) => {
  /** @type {Record<string, string>} */
  const streams = {};
  for (const [name, camera] of Object.entries(CAMERAS)) {
    const path = join(site.folder, `${name}.mp4`);
    makeClip(path, camera);
    streams[`${name}-passed`] = path;
    streams[`${name}-encoded`] = `${path}#reencode=true`;
  }
  site.capture(streams);
  await site.relay();
  const wrong = [];
  for (const codec of ['jpeg', 'h264']) {
    const page = await site.open('', undefined);
    await page.evaluate((codec) => localStorage.setItem('fanlight.codec', codec), codec);
    for (const stream of Object.keys(streams)) {
      await page.goto(`${site.address}?stream=${stream}`);
      await page.waitForSelector(`.tile[data-stream="${stream}"][data-codec="${codec}"]`);
      const seen = await coloursOn(page, stream);
      const off = Math.max(...seen.flat().map((value, at) => Math.abs(value - (QUARTERS.flat()[at] ?? NaN))));
      if (!(off <= TOLERANCE)) wrong.push(`${stream} ${codec}: ${JSON.stringify(seen)}`);
    }
    await page.close();
  }
  assert.deepEqual(wrong, []);
}));
