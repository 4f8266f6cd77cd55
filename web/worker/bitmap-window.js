// Bitmaps on their way to the page's thread, where a browser cannot paint in the worker. Each is answered when it is
// painted, and few are sent ahead. An answer that never comes must not stop a tile. Pure: `now` is passed in, in
// milliseconds.

/** Bitmaps without an answer, for each tile. */
const MOST_UNANSWERED = 2;
/** An answer that is missing for this long is not waited for; twice as long after each one that was missing in a row. */
const EXPIRY = 1_000;
/** A page whose thread stands still gets two bitmaps a minute at least, and no heap of them. */
const LONGEST_EXPIRY = 30_000;

export class BitmapWindow {
  /** @type {Map<number, { sentAt: number[], expiry: number }>} */
  #tiles = new Map();

  /** Returns whether a bitmap of this tile may be sent now, and counts it if so. @param {number} id @param {number} now */
  maySend(id, now) {
    const tile = this.#tiles.get(id) ?? { sentAt: [], expiry: EXPIRY };
    if (tile.sentAt.length >= MOST_UNANSWERED) {
      if (now - (tile.sentAt[0] ?? now) < tile.expiry) return false;
      tile.sentAt.shift();
      tile.expiry = Math.min(LONGEST_EXPIRY, 2 * tile.expiry);
    }
    tile.sentAt.push(now);
    this.#tiles.set(id, tile);
    return true;
  }

  /** The page has painted the oldest one. @param {number} id */
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
