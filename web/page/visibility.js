// Which tiles are asked for: those that somebody can see, in the size in which they are seen.
// What goes out of sight is given up after a grace, so that scrolling and paging do not make the relay stop and start.

import { earlySubscriptions, post } from '../boot.js';
import { needsRequest, isLarger } from '../shared/sizes.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('../shared/sizes.js').Limits} Limits */

const GRACE_PERIOD = 2_000;
/** What becomes smaller may go on becoming so, as while a window is dragged; what becomes larger is blurred until then. */
const SHRINK_AFTER = 250;

export class Visibility {
  /** @type {Map<Tile, ReturnType<typeof setTimeout>>} */
  #leaving = new Map();
  /** @type {Map<Tile, { limits: Limits, timer: ReturnType<typeof setTimeout> }>} */
  #shrinking = new Map();
  /** @type {Map<Tile, Limits>} */
  #asked = new Map();

  /**
   * @param {{ now: () => number, tiles: () => Iterable<Tile>, limits: (tile: Tile) => Limits | null }} env `limits`:
   *   in what size a tile is seen; `null`: it is not
   */
  constructor(env) {
    this.env = env;
  }

  /** Brings what is asked for in line with what is seen. */
  update() {
    for (const tile of this.env.tiles()) {
      const limits = this.env.limits(tile);
      if (limits === null) this.#leave(tile);
      else if (tile.watchedSince === null) this.#watch(tile, limits);
      else {
        this.#stay(tile);
        this.#fit(tile, limits);
      }
    }
  }

  /** Asks again for a stream that the relay did not know before. @param {Tile} tile */
  again(tile) {
    const limits = this.env.limits(tile);
    if (!limits) return;
    this.#stay(tile);
    tile.start(this.env.now());
    this.#ask(tile, limits, true);
  }

  /** @param {Tile} tile */
  remove(tile) {
    this.#stay(tile);
    this.#settle(tile);
    this.#asked.delete(tile);
  }

  /** @param {Tile} tile @param {Limits} limits */
  #watch(tile, limits) {
    this.#stay(tile);
    tile.start(this.env.now());
    const guessed = earlySubscriptions.get(tile.id);
    earlySubscriptions.delete(tile.id);
    if (!guessed) {
      this.#ask(tile, limits);
      return;
    }
    // The worker asked for it already, and guessed how large it would be.
    this.#asked.set(tile, guessed);
    this.#fit(tile, limits);
  }

  /** Asks for another size where that is worth it. @param {Tile} tile @param {Limits} limits */
  #fit(tile, limits) {
    const asked = this.#asked.get(tile);
    const awaited = this.#shrinking.get(tile)?.limits;
    if (!asked || !needsRequest(tile.info?.tracks ?? [], asked, limits)) this.#settle(tile);
    else if (isLarger(limits, asked)) this.#ask(tile, limits);
    else if (awaited?.maxWidth !== limits.maxWidth || awaited.maxHeight !== limits.maxHeight) this.#shrink(tile, limits);
  }

  /** @param {Tile} tile @param {Limits} limits */
  #shrink(tile, limits) {
    this.#settle(tile);
    const timer = setTimeout(() => {
      this.#settle(tile);
      if (tile.watchedSince !== null && this.env.limits(tile)) this.#ask(tile, limits);
    }, SHRINK_AFTER);
    this.#shrinking.set(tile, { limits, timer });
  }

  /** It does not shrink any longer. @param {Tile} tile */
  #settle(tile) {
    clearTimeout(this.#shrinking.get(tile)?.timer);
    this.#shrinking.delete(tile);
  }

  /** @param {Tile} tile @param {Limits} limits @param {boolean} [again] */
  #ask(tile, limits, again = false) {
    this.#settle(tile);
    this.#asked.set(tile, limits);
    post({ type: 'watch', id: tile.id, request: { stream: tile.name, ...limits }, again });
  }

  /** @param {Tile} tile */
  #leave(tile) {
    if (tile.watchedSince === null || this.#leaving.has(tile)) return;
    const timer = setTimeout(() => {
      this.remove(tile);
      tile.suspend();
      post({ type: 'unwatch', id: tile.id });
    }, GRACE_PERIOD);
    this.#leaving.set(tile, timer);
  }

  /** @param {Tile} tile */
  #stay(tile) {
    clearTimeout(this.#leaving.get(tile));
    this.#leaving.delete(tile);
  }
}
