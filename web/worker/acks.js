// Tracks which frames of a subscription are done, and up to which one to acknowledge: `ack` covers every frame up to its
// sequence. A frame that is still being decoded therefore delays the ack of all later ones. That is how a relay detects a
// slow tab. Pure.

/** @typedef {{ sequence: bigint }} Received a frame that received; reported apart by identity, because numbers may come again */

export class AckTracker {
  /** Frames that are not done, oldest first: by order, the frame received before it. @type {Map<number, Received | null>} */
  #open = new Map();
  /** @type {Received | null} */
  #newest = null;
  /** @type {Received | null} */
  #acknowledged = null;

  /** @param {number} order grows with every frame, whatever `sequence` does @param {bigint} sequence */
  received(order, sequence) {
    this.#open.set(order, this.#newest);
    this.#newest = { sequence };
  }

  /**
   * Marks a frame as done: painted, dropped, or taken by a decoder that may hold it back. Repeated calls, and frames from before
   * `clear`, have no effect.
   * @param {number} order @returns {bigint | null} sequence to acknowledge; `null` if nothing changed
   */
  done(order) {
    if (!this.#open.delete(order)) return null;
    const [beforeOldest = null] = this.#open.values();
    const reached = this.#open.size === 0 ? this.#newest : beforeOldest;
    if (!reached || reached === this.#acknowledged) return null;
    this.#acknowledged = reached;
    return reached.sequence;
  }

  /** Forgets all frames: they do not belong to the next track or subscription. */
  clear() {
    this.#open.clear();
    this.#newest = this.#acknowledged = null;
  }
}
