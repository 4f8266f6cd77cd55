// Requests the pictures that people can see, in the size in which they see them. One that goes out of sight stays requested for
// a grace period, so that scrolling does not make the relay stop and start.

import { isLarger, needsRequest } from '../shared/sizes.js';

/** @typedef {import('../shared/sizes.js').Limits} Limits */
/** @typedef {import('../shared/messages.js').CodecChoice} CodecChoice */
/** `codec`: the viewer's choice for this one alone. @typedef {import('./watched-stream.js').WatchedStream & { codec?: CodecChoice }} Tile */

const GRACE_PERIOD = 2_000;
/** A smaller size is requested after this delay, because a window may still shrink. A larger one is requested immediately, because the picture is blurred until then. */
const SHRINK_AFTER = 250;

/** @template {Tile} T */
export class Visibility {
  /** @type {Map<T, ReturnType<typeof setTimeout>>} */
  #leaving = new Map();
  /** @type {Map<T, { limits: Limits, timer: ReturnType<typeof setTimeout> }>} */
  #shrinking = new Map();
  /** @type {Map<T, Limits>} */
  #requested = new Map();

  /**
   * @param {{ now: () => number, post: (message: import('../shared/messages.js').ToWorker) => void, early: Map<number, Limits>,
   *   tiles: () => Iterable<T>, limits: (tile: T) => Limits | null }} env `early`: subscriptions that the worker started by itself,
   *   by id; `limits`: visible size of a tile, `null` if it is not visible
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

  /** Requests a stream again that the relay did not know before. @param {T} tile */
  again(tile) {
    const limits = this.env.limits(tile);
    if (!limits) return;
    this.#cancelLeave(tile);
    tile.start(this.env.now());
    this.#request(tile, limits, true);
  }

  /** Ends a request without the grace period. @param {T} tile */
  stop(tile) {
    this.remove(tile);
    tile.suspend();
    this.env.post({ type: 'unwatch', id: tile.id });
  }

  /** @param {T} tile */
  remove(tile) {
    this.#cancelLeave(tile);
    this.#cancelShrink(tile);
    this.#requested.delete(tile);
  }

  /** @param {T} tile @param {Limits} limits */
  #watch(tile, limits) {
    this.#cancelLeave(tile);
    tile.start(this.env.now());
    const guessed = this.env.early.get(tile.id);
    this.env.early.delete(tile.id);
    if (!guessed) {
      this.#request(tile, limits);
      return;
    }
    // The worker requested it already, with a guessed size.
    this.#requested.set(tile, guessed);
    this.#adjust(tile, limits);
  }

  /** Requests another size if that can change the rendition. @param {T} tile @param {Limits} limits */
  #adjust(tile, limits) {
    const requested = this.#requested.get(tile);
    const awaited = this.#shrinking.get(tile)?.limits;
    if (!requested || !needsRequest(tile.info?.tracks ?? [], requested, limits)) this.#cancelShrink(tile);
    else if (isLarger(limits, requested)) this.#request(tile, limits);
    else if (awaited?.maxWidth !== limits.maxWidth || awaited.maxHeight !== limits.maxHeight) this.#shrink(tile, limits);
  }

  /** @param {T} tile @param {Limits} limits */
  #shrink(tile, limits) {
    this.#cancelShrink(tile);
    const timer = setTimeout(() => {
      this.#cancelShrink(tile);
      if (tile.watchedSince !== null && this.env.limits(tile)) this.#request(tile, limits);
    }, SHRINK_AFTER);
    this.#shrinking.set(tile, { limits, timer });
  }

  /** Cancels a pending request for a smaller size. @param {T} tile */
  #cancelShrink(tile) {
    clearTimeout(this.#shrinking.get(tile)?.timer);
    this.#shrinking.delete(tile);
  }

  /** @param {T} tile @param {Limits} limits @param {boolean} [again] */
  #request(tile, limits, again = false) {
    this.#cancelShrink(tile);
    this.#requested.set(tile, limits);
    const codec = tile.codec && { codec: tile.codec };
    this.env.post({ type: 'watch', id: tile.id, request: { stream: tile.name, ...limits, ...codec }, again });
  }

  /** @param {T} tile */
  #leave(tile) {
    if (tile.watchedSince === null || this.#leaving.has(tile)) return;
    this.#leaving.set(tile, setTimeout(() => this.stop(tile), GRACE_PERIOD));
  }

  /** @param {T} tile */
  #cancelLeave(tile) {
    clearTimeout(this.#leaving.get(tile));
    this.#leaving.delete(tile);
  }
}
