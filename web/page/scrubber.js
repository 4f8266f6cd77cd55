// The line under every picture: dragged to the left, it rewinds the wall by up to 30 seconds. A native slider, which touch,
// keys and screen readers support.

import { element, setAttribute } from './dom.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('./playback.js').Playback} Playback */

/** Length of the history; see history.js. */
const SECONDS = 30;

export class Scrubbers {
  /** @type {WeakMap<Tile, HTMLInputElement>} */
  #lines = new WeakMap();
  /** The slider that is being dragged. It follows the pointer and not the worker's reports. @type {HTMLInputElement | null} */
  #held = null;

  /** @param {Playback} playback */
  constructor(playback) {
    this.playback = playback;
  }

  /** @param {Iterable<Tile>} tiles */
  render(tiles) {
    const { back, paused } = this.playback;
    const words = paused ? `${back.toFixed(1)} seconds ago` : 'live';
    for (const tile of tiles) {
      const line = this.#lineOf(tile);
      if (line === this.#held) continue;
      const value = String(-Math.round(back * 10) / 10);
      if (line.value !== value) line.value = value;
      setAttribute(line, 'aria-valuetext', words);
    }
  }

  /** @param {Tile} tile */
  #lineOf(tile) {
    const known = this.#lines.get(tile);
    if (known) return known;
    const line = element('input', 'scrubber');
    Object.assign(line, { type: 'range', min: String(-SECONDS), max: '0', step: '0.1', value: '0' });
    line.setAttribute('aria-label', `${tile.name}: go back up to ${SECONDS} seconds`);
    this.#lines.set(tile, line);
    this.#listen(line, tile);
    tile.element.append(line);
    return line;
  }

  /** @param {HTMLInputElement} line @param {Tile} tile */
  #listen(line, tile) {
    let pointed = false;
    line.addEventListener('pointerdown', () => {
      this.#held = line;
      pointed = true;
    });
    line.addEventListener('keydown', () => (pointed = false));
    line.addEventListener('input', () => this.playback.seek(-Number(line.value), this.#held ? tile.id : null));
    line.addEventListener('change', () => {
      this.playback.seek(-Number(line.value), null);
      // The tile gets the focus back, so that Space and the arrow keys keep their meaning.
      if (pointed) tile.view.focus({ preventScroll: true });
    });
    for (const end of ['pointerup', 'pointercancel', 'blur']) line.addEventListener(end, () => (this.#held = null));
  }
}
