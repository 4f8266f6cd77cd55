// What a viewer takes home: the picture on a tile, or a clip of its last seconds. Fetched when somebody first does.

import { formatSpan } from './age.js';

/** @typedef {import('./tile.js').Tile} Tile */
/**
 * What the worker made. `from`: when its first picture was taken, in microseconds of the relay's clock.
 * @typedef {{ what: 'picture', blob: Blob | null, from: number }
 *   | { what: 'clip', blob: Blob | null, from: number, seconds: number, kind: 'mp4' | 'h264' | 'mjpeg' | 'none' }} Saved
 */

/** So long a browser may take to read what it was given. */
const READ_WITHIN = 60_000;

/**
 * @param {Tile} tile @param {Saved | null} saved @param {number} ahead milliseconds that the relay's clock is ahead of ours
 * @returns {Promise<string>} what to tell
 */
export async function save(tile, saved, ahead) {
  if (!saved) return `${tile.name}: the clip could not be made`;
  const moment = saved.from / 1000 - ahead;
  if (saved.what === 'picture') {
    const blob = saved.blob ?? (await pictureOf(tile.canvas));
    if (!blob) return 'The picture could not be saved';
    download(blob, nameOf(tile.name, moment, blob.type === 'image/jpeg' ? 'jpg' : 'png'));
    return `${tile.name}: picture saved`;
  }
  if (!saved.blob || saved.kind === 'none') return `${tile.name}: there is nothing to save yet`;
  download(saved.blob, nameOf(tile.name, moment, saved.kind));
  const without = saved.kind === 'h264' ? ' as raw H.264: this relay was built without clips' : '';
  return `${tile.name}: ${formatSpan(saved.seconds * 1000 + 500)} saved${without}`;
}

/** What is on the screen. @param {HTMLCanvasElement} shown @returns {Promise<Blob | null>} */
function pictureOf(shown) {
  const canvas = document.createElement('canvas');
  canvas.width = shown.width;
  canvas.height = shown.height;
  canvas.getContext('2d')?.drawImage(shown, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

/** Sorts by time within a stream, and is a file name everywhere. @param {string} stream @param {number} moment @param {string} kind */
function nameOf(stream, moment, kind) {
  const date = new Date(moment - new Date(moment).getTimezoneOffset() * 60_000);
  return `${stream}-${date.toISOString().slice(0, 19).replaceAll(':', '-').replace('T', '-')}.${kind}`;
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_WITHIN);
}
