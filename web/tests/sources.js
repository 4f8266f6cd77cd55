// Makes pictures and video for a mock relay, with ffmpeg.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @typedef {import('./mock-relay.js').Source} Source */

/**
 * Makes a moving test picture.
 * @param {number} width @param {number} height @param {{ fps?: number, count?: number, input?: string }} [options]
 * @returns {Source}
 */
export function makeSource(width, height, { fps = 10, count = 10, input } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fanlight-mock-'));
  try {
    const from = input ?? `testsrc2=size=${width}x${height}:rate=${fps}`;
    const format = input ? ['-i', input] : ['-f', 'lavfi', '-i', from];
    const filter = ['-vf', `scale=${width}:${height}:force_original_aspect_ratio=increase,crop=${width}:${height}`];
    const args = [...format, ...filter, '-frames:v', String(count), '-q:v', '5', join(folder, '%04d.jpg')];
    execFileSync('ffmpeg', ['-v', 'error', '-threads', '1', ...args]);
    const pictures = readdirSync(folder).sort().map((name) => readFileSync(join(folder, name)));
    return { width, height, fps, pictures };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Makes H.264 whose frames show their number: eight bars from left to right, white if their bit is set, the lowest first. The
 * number is readable in every size.
 * @param {number} width @param {number} height
 * @param {{ fps?: number, count?: number, gop?: number, jpeg?: boolean, profile?: string, pixels?: string }} [options] `count`: a
 *   multiple of `gop`; `pixels`: width of a pixel by its height, which H.264 states
 * @returns {Source}
 */
export function makeVideo(width, height, { fps = 10, count = 60, gop = 20, jpeg = true, profile = 'high', pixels = '1' } = {}) {
  const bars = "geq=lum='if(mod(floor(N/pow(2,floor(X/W*8))),2),235,16)':cb=128:cr=128";
  const from = ['-f', 'lavfi', '-i', `color=size=${width}x${height}:rate=${fps},format=yuv420p,${bars},setsar=${pixels}`, '-frames:v', String(count)];
  const x264 = `keyint=${gop}:min-keyint=${gop}:scenecut=0:aud=1:repeat-headers=1`;
  const speed = ['-preset', 'superfast', '-tune', 'zerolatency', '-bf', '0', '-profile:v', profile, '-x264-params', x264];
  const run = (/** @type {string[]} */ ...to) => execFileSync('ffmpeg', ['-v', 'error', '-threads', '1', ...from, ...to, '-'], { maxBuffer: 2 ** 28 });
  const video = accessUnits(run('-c:v', 'libx264', ...speed, '-f', 'h264'));
  const pictures = jpeg ? jpegs(run('-c:v', 'mjpeg', '-q:v', '5', '-f', 'mjpeg')) : [];
  return { width, height, fps, pictures, video, gop };
}

/** Splits before each access unit delimiter. @param {Buffer} stream */
const accessUnits = (stream) => splitBefore(stream, Buffer.from([0, 0, 0, 1, 9]));
/** @param {Buffer} stream */
const jpegs = (stream) => splitBefore(stream, Buffer.from([0xff, 0xd8, 0xff]));

/** @param {Buffer} stream @param {Buffer} mark */
function splitBefore(stream, mark) {
  /** @type {number[]} */
  const starts = [];
  for (let at = stream.indexOf(mark); at !== -1; at = stream.indexOf(mark, at + 1)) starts.push(at);
  return starts.map((start, index) => stream.subarray(start, starts[index + 1]));
}
