// Which tiles are asked for: those that somebody can see, in the size in which they are seen.
// What goes out of sight is given up after a grace, so that scrolling and paging do not make the relay stop and start.

import { begun, tell } from './live.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {{ maxWidth?: number, maxHeight?: number }} Limits in pixels of the screen; none: the full size */

const GRACE = 2_000;
/** While a window is being dragged larger, the relay need not hear of every step. */
const RESIZE_DEBOUNCE = 300;
/** Sizes are asked for in steps, so that a scroll bar does not count as a new size. */
const STEP = 16;

export class Watching {
  /** @type {Map<Tile, ReturnType<typeof setTimeout>>} */
  #leaving = new Map();
  /** @type {Map<Tile, string>} */
  #asked = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resizeTimer;

  /**
   * @param {{ now: () => number, tiles: () => Iterable<Tile>, limits: (tile: Tile) => Limits | null }} world `limits`:
   *   in what size a tile is seen; `null`: it is not
   */
  constructor(world) {
    this.world = world;
  }

  /** Brings what is asked for in line with what is seen. */
  update() {
    let resized = false;
    for (const tile of this.world.tiles()) {
      const limits = this.world.limits(tile);
      if (limits === null) this.#leave(tile);
      else if (tile.watchedSince === null) this.#watch(tile, limits);
      else {
        this.#stay(tile);
        resized ||= this.#asked.get(tile) !== keyOf(limits);
      }
    }
    if (resized) this.#resizeSoon();
  }

  /** Asks again for a stream that the relay did not know before. @param {Tile} tile */
  again(tile) {
    const limits = this.world.limits(tile);
    if (!limits) return;
    this.#stay(tile);
    tile.begin(this.world.now());
    this.#ask(tile, limits, true);
  }

  /** @param {Tile} tile */
  remove(tile) {
    this.#stay(tile);
    this.#asked.delete(tile);
  }

  /** @param {Tile} tile @param {Limits} limits */
  #watch(tile, limits) {
    this.#stay(tile);
    tile.begin(this.world.now());
    // What the worker asked for already is only made to fit, once the first pictures are there.
    if (begun.delete(tile.id)) this.#resizeSoon();
    else this.#ask(tile, limits);
  }

  /** @param {Tile} tile @param {Limits} limits @param {boolean} [again] */
  #ask(tile, limits, again = false) {
    this.#asked.set(tile, keyOf(limits));
    tell({ type: 'watch', id: tile.id, wish: { stream: tile.name, ...limits }, again });
  }

  /** @param {Tile} tile */
  #leave(tile) {
    if (tile.watchedSince === null || this.#leaving.has(tile)) return;
    const timer = setTimeout(() => {
      this.remove(tile);
      tile.rest();
      tell({ type: 'unwatch', id: tile.id });
    }, GRACE);
    this.#leaving.set(tile, timer);
  }

  /** @param {Tile} tile */
  #stay(tile) {
    clearTimeout(this.#leaving.get(tile));
    this.#leaving.delete(tile);
  }

  #resizeSoon() {
    clearTimeout(this.#resizeTimer);
    this.#resizeTimer = setTimeout(() => {
      for (const tile of this.world.tiles()) {
        const limits = this.world.limits(tile);
        if (limits && tile.watchedSince !== null && this.#asked.get(tile) !== keyOf(limits)) this.#ask(tile, limits);
      }
    }, RESIZE_DEBOUNCE);
  }
}

/**
 * The size of a box in pixels of the screen; a turned picture is asked for as it lies in the source.
 * @param {{ width: number, height: number }} box @param {number} density @param {boolean} turned @returns {Limits}
 */
export function limitsOf({ width, height }, density, turned) {
  const steps = (/** @type {number} */ length) => Math.max(1, Math.ceil((length * density) / STEP)) * STEP;
  const [maxWidth, maxHeight] = turned ? [steps(height), steps(width)] : [steps(width), steps(height)];
  return { maxWidth, maxHeight };
}

/** @param {Limits} limits */
function keyOf({ maxWidth, maxHeight }) {
  return `${maxWidth}x${maxHeight}`;
}
