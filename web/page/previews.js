// Previews: the newest JPEG of the first tiles, requested once while the worker still starts. A preview never passes as live: it has
// no age, and turns grey if no frame replaces it.

import { chosenCodec, previewAddress } from '../boot.js';
import { element } from './dom.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('../shared/sizes.js').Limits} Limits */

/** A browser opens six connections to a relay. Two remain for the page's own files. */
const MAX_PREVIEWS = 4;
/** The relay sends a preview up to this old. In milliseconds. */
const MAX_AGE = 1_000;
/** A preview that is not decoded within this time is not shown. With the age above, none is older than 2 s. In milliseconds. */
const TIMEOUT = 1_000;
/** The states of a stream whose newest frame shows the present. */
const CURRENT = ['live', 'idle'];

export class Previews {
  /** @type {Map<Tile, AbortController>} */
  #pending = new Map();

  /** @param {(tile: Tile, image: HTMLImageElement) => void} show the picture, which is decoded */
  constructor(show) {
    this.show = show;
  }

  /** Requests previews of the first tiles that have no picture. @param {{ tile: Tile, limits: Limits }[]} seen the visible tiles */
  request(seen) {
    const without = seen.filter(({ tile }) => tile.size === null && mayHavePreview(tile));
    for (const { tile, limits } of without.slice(0, MAX_PREVIEWS)) void this.#load(tile, limits);
  }

  /** A tile has a frame, so its preview is not needed any more. @param {Tile} tile */
  cancel(tile) {
    this.#pending.get(tile)?.abort();
  }

  /** Cancels all that have not appeared. */
  cancelAll() {
    for (const tile of this.#pending.keys()) this.cancel(tile);
  }

  /** @param {Tile} tile @param {Limits} limits */
  async #load(tile, limits) {
    const controller = new AbortController();
    const { signal } = controller;
    const timer = setTimeout(() => controller.abort(), TIMEOUT);
    this.#pending.set(tile, controller);
    const image = await loadImage(previewAddress(tile.name, limits, MAX_AGE), signal);
    clearTimeout(timer);
    this.#pending.delete(tile);
    if (image && !signal.aborted) this.show(tile, image);
  }
}

/**
 * Returns whether the newest JPEG of a tile's stream may stand for the stream. A viewer who chose H.264 would make capture encode
 * JPEG in addition.
 * @param {Tile} tile
 */
function mayHavePreview({ info }) {
  if (!info || info.gone || !CURRENT.includes(info.state)) return false;
  const has = (/** @type {string} */ wanted) => info.tracks.some(({ codec }) => codec === wanted);
  return has('jpeg') && !(chosenCodec() === 'h264' && has('h264'));
}

/**
 * Loads and decodes a picture. An element does both sooner than `fetch`. A refusal is no failure, because the stream follows.
 * @param {string} address @param {AbortSignal} signal @returns {Promise<HTMLImageElement | null>}
 */
async function loadImage(address, signal) {
  const image = element('img', 'preview');
  image.alt = '';
  image.draggable = false;
  image.fetchPriority = 'high';
  image.src = address;
  signal.addEventListener('abort', () => image.removeAttribute('src'));
  return image.decode().then(() => image, () => null);
}
