// Saves the picture of a tile, or clips of its last seconds. Loaded at the first use.

import { formatSpan } from '../shared/age.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {import('../shared/messages.js').Saved} Saved */
/** @typedef {import('../shared/messages.js').SavedPicture} SavedPicture */
/** @typedef {import('../shared/messages.js').SavedClips} SavedClips */
/** A picture to draw, and its JPEG if there is one. @typedef {{ image: ImageBitmap | HTMLCanvasElement, blob: Blob | null }} Shot */

/** A browser reads a download within this time, in milliseconds. */
const READ_WITHIN = 60_000;
/** A relay answers within 3 s. Receiving a large picture over a slow connection may take as long again. In milliseconds. */
const MAX_FETCH = 6_000;
/** Quality of a rotated JPEG: no visible difference. */
const QUALITY = 0.95;
const NOTHING = 'nothing to save yet';
/** Length of the history in seconds; see history.js. */
const ASKED = 30;

/** @type {Readonly<Record<import('../shared/messages.js').SplitReason, string>>} */
const CAUSE = {
  size: 'the resolution changed',
  codec: 'the codec changed',
  settings: "the camera's settings changed",
  gap: 'no pictures for a while',
};

/**
 * Saves files.
 * @param {Tile} tile @param {Saved | null} saved
 * @param {{ ahead: number, full: string }} relay `ahead`: relay's clock minus ours, in milliseconds; `full`: address of the
 *   stream's newest picture in full size
 * @returns {Promise<string>} text for the status line
 */
export async function save(tile, saved, relay) {
  if (!saved) return `${tile.name}: could not save the clip`;
  if (saved.what === 'nothing') return `${tile.name}: ${NOTHING}`;
  if (saved.what === 'clip') return saveClips(tile, saved, relay.ahead);
  return savePicture(tile, saved, relay).catch(() => `${tile.name}: could not save the picture`);
}

/** @param {Tile} tile @param {SavedClips} saved @param {number} ahead */
function saveClips(tile, saved, ahead) {
  for (const { blob, from, kind } of saved.clips) download(blob, nameOf(tile.name, from / 1000 - ahead, kind));
  return `${tile.name}: ${clipWords(saved)}`;
}

/**
 * Returns what was saved, and why it is less than 30 s or more than one file.
 * @param {Pick<SavedClips, 'clips' | 'reasons' | 'omitted' | 'failed' | 'remembered' | 'truncated'>} saved
 */
export function clipWords({ clips, reasons, omitted, failed, remembered, truncated }) {
  if (clips.length === 0) return failed > 0 ? 'could not save the clip' : NOTHING;
  const lengths = clips.map(({ seconds }) => Math.floor(seconds + 0.5));
  const sum = lengths.reduce((sum, length) => sum + length, 0);
  const asked = truncated ? ASKED : Math.round(remembered);
  const lacks = (omitted > 0 || failed > 0 || truncated) && sum < asked;
  const why = [
    ...(clips.length > 1 || omitted > 0 ? reasons.map((reason) => CAUSE[reason]) : []),
    ...(failed > 0 ? ['the rest could not be saved'] : []),
    ...(truncated ? ["this page's memory is full"] : []),
    ...(clips.some(({ kind }) => kind === 'h264') ? ['raw H.264: this relay was built without MP4 support'] : []),
  ];
  const length = clips.length > 1 && !lacks ? inTurn(lengths.map((length) => `${length} s`)) : lacks ? `${sum} of ${asked} s` : formatSpan(sum * 1000);
  const what = clips.length > 1 ? `clip saved as ${clips.length} files` : 'clip saved';
  return `${what} (${[length, why.join(', ')].filter((part) => part !== '').join(': ')})`;
}

/** @param {readonly string[]} words two or more */
function inTurn(words) {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Saves the picture in full size if possible. A past picture exists only in the displayed size. @param {Tile} tile @param {SavedPicture} saved @param {{ ahead: number, full: string }} relay */
async function savePicture(tile, saved, { ahead, full }) {
  const isFull = tile.track === null || (tile.track.renditions[saved.rendition] ?? 'full') === 'full';
  const fetched = isFull || tile.paused ? null : await fetchFull(full);
  const shot = fetched ?? (await shotOf(tile.canvas, saved.blob));
  const { width, height } = shot.image;
  const size = tile.rotation % 180 === 0 ? `${width} × ${height}` : `${height} × ${width}`;
  const blob = await encode(shot, tile.rotation);
  if (shot.image instanceof ImageBitmap) shot.image.close();
  if (!blob) return `${tile.name}: could not save the picture`;
  download(blob, nameOf(tile.name, (fetched?.taken ?? saved.from / 1000) - ahead, blob.type === 'image/jpeg' ? 'jpg' : 'png'));
  const past = tile.paused ? ': past pictures exist only in the displayed size' : ': full resolution unavailable';
  return `${tile.name}: picture saved (${size}${isFull || fetched ? '' : past})`;
}

/**
 * Fetches the newest picture in full size. It is some milliseconds newer than the displayed one.
 * @param {string} address @returns {Promise<(Shot & { taken: number }) | null>} `taken`: by the relay's clock, in milliseconds
 */
async function fetchFull(address) {
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(MAX_FETCH) });
    if (!answer.ok) return null;
    const blob = await answer.blob();
    return { image: await createImageBitmap(blob), blob, taken: 1000 * Number(answer.headers.get('x-timestamp')) };
  } catch {
    return null;
  }
}

/** Returns the displayed picture. @param {HTMLCanvasElement} canvas @param {Blob | null} blob JPEG as received @returns {Promise<Shot>} */
async function shotOf(canvas, blob) {
  return blob ? { image: await createImageBitmap(blob), blob } : { image: canvas, blob: null };
}

/** Returns the JPEG as received if it is not rotated. A picture that never was a JPEG becomes a PNG. @param {Shot} shot @param {Rotation} rotation @returns {Promise<Blob | null>} */
function encode({ image, blob }, rotation) {
  if (blob && rotation === 0) return Promise.resolve(blob);
  const canvas = document.createElement('canvas');
  const { width, height } = image;
  [canvas.width, canvas.height] = rotation % 180 === 0 ? [width, height] : [height, width];
  const context = canvas.getContext('2d');
  context?.translate(canvas.width / 2, canvas.height / 2);
  context?.rotate((rotation * Math.PI) / 180);
  context?.drawImage(image, -width / 2, -height / 2);
  return new Promise((resolve) => canvas.toBlob(resolve, blob ? 'image/jpeg' : 'image/png', QUALITY));
}

/** Returns a file name that sorts by time within a stream and is valid on every system. @param {string} stream @param {number} moment @param {string} kind */
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
