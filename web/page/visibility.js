// Requests the tiles that people can see, in the size in which they see them. A tile that goes out of sight stays requested for
// a grace period, so that scrolling does not make the relay stop and start.

import { earlySubscriptions, post } from '../boot.js';
import { isLarger, needsRequest } from '../shared/sizes.js';

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('../shared/sizes.js').Limits} Limits */

const GRACE_PERIOD = 2_000;
/** A smaller size is requested after this delay, because a window may still shrink. A larger one is requested immediately, because the picture is blurred until then. */
const SHRINK_AFTER = 250;

export class Visibility {
  /** @type {Map<Tile, ReturnType<typeof setTimeout>>} */
  #leaving = new Map();
  /** @type {Map<Tile, { limits: Limits, timer: ReturnType<typeof setTimeout> }>} */
  #shrinking = new Map();
  /** @type {Map<Tile, Limits>} */
  #requested = new Map();

  /**
   * @param {{ now: () => number, tiles: () => Iterable<Tile>, limits: (tile: Tile) => Limits | null }} env `limits`: visible size
   *   of a tile; `null` if it is not visible
   */
  constructor(env) {
    this.env = env;
  }

  /** Requests what is visible now. */
  update() {
    for (const tile of this.env.tiles()) {
      const limits = this.env.limits(tile);
      if (limits === null) this.#leave(tile);
      else if (tile.watchedSince === null) this.#watch(tile, limits);
      else {
        this.#cancelLeave(tile);
        this.#adjust(tile, limits);
      }
    }
  }

  /** Requests a stream again that the relay did not know before. @param {Tile} tile */
  again(tile) {
    const limits = this.env.limits(tile);
    if (!limits) return;
    this.#cancelLeave(tile);
    tile.start(this.env.now());
    this.#request(tile, limits, true);
  }

  /** @param {Tile} tile */
  remove(tile) {
    this.#cancelLeave(tile);
    this.#cancelShrink(tile);
    this.#requested.delete(tile);
  }

  /** @param {Tile} tile @param {Limits} limits */
  #watch(tile, limits) {
    this.#cancelLeave(tile);
    tile.start(this.env.now());
    const guessed = earlySubscriptions.get(tile.id);
    earlySubscriptions.delete(tile.id);
    if (!guessed) {
      this.#request(tile, limits);
      return;
    }
    // The worker requested it already, with a guessed size.
    this.#requested.set(tile, guessed);
    this.#adjust(tile, limits);
  }

  /** Requests another size if that can change the rendition. @param {Tile} tile @param {Limits} limits */
  #adjust(tile, limits) {
    const requested = this.#requested.get(tile);
    const awaited = this.#shrinking.get(tile)?.limits;
    if (!requested || !needsRequest(tile.info?.tracks ?? [], requested, limits)) this.#cancelShrink(tile);
    else if (isLarger(limits, requested)) this.#request(tile, limits);
    else if (awaited?.maxWidth !== limits.maxWidth || awaited.maxHeight !== limits.maxHeight) this.#shrink(tile, limits);
  }

  /** @param {Tile} tile @param {Limits} limits */
  #shrink(tile, limits) {
    this.#cancelShrink(tile);
    const timer = setTimeout(() => {
      this.#cancelShrink(tile);
      if (tile.watchedSince !== null && this.env.limits(tile)) this.#request(tile, limits);
    }, SHRINK_AFTER);
    this.#shrinking.set(tile, { limits, timer });
  }

  /** Cancels a pending request for a smaller size. @param {Tile} tile */
  #cancelShrink(tile) {
    clearTimeout(this.#shrinking.get(tile)?.timer);
    this.#shrinking.delete(tile);
  }

  /** @param {Tile} tile @param {Limits} limits @param {boolean} [again] */
  #request(tile, limits, again = false) {
    this.#cancelShrink(tile);
    this.#requested.set(tile, limits);
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
  #cancelLeave(tile) {
    clearTimeout(this.#leaving.get(tile));
    this.#leaving.delete(tile);
  }
}
