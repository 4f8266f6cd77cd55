// Limits the bitmaps in flight to the page's thread, for browsers that cannot paint in the worker. The page confirms each one
// that it painted. A missing confirmation must not stop a tile. Pure: `now` is an argument, in milliseconds.

/** Unconfirmed bitmaps per tile. */
const MAX_UNANSWERED = 2;
/** A confirmation that is missing for this long is no longer awaited. The time doubles with each consecutive one. */
const EXPIRY = 1_000;
/** A page whose thread is blocked gets at least two bitmaps a minute, and no pile of them. */
const MAX_EXPIRY = 30_000;

export class BitmapWindow {
  /** @type {Map<number, { sentAt: number[], expiry: number }>} */
  #tiles = new Map();

  /** Returns whether a bitmap of this tile may be sent now. If so, counts it. @param {number} id @param {number} now */
  maySend(id, now) {
    const tile = this.#tiles.get(id) ?? { sentAt: [], expiry: EXPIRY };
    if (tile.sentAt.length >= MAX_UNANSWERED) {
      if (now - (tile.sentAt[0] ?? now) < tile.expiry) return false;
      tile.sentAt.shift();
      tile.expiry = Math.min(MAX_EXPIRY, 2 * tile.expiry);
    }
    tile.sentAt.push(now);
    this.#tiles.set(id, tile);
    return true;
  }

  /** The page painted the oldest unconfirmed bitmap. @param {number} id */
  painted(id) {
    const tile = this.#tiles.get(id);
    tile?.sentAt.shift();
    if (tile) tile.expiry = EXPIRY;
  }

  /** @param {number} id */
  forget(id) {
    this.#tiles.delete(id);
  }
}
