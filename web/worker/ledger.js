// Which frames of a subscription the page is done with. The relay is told how far: `ack` means every frame up to that
// one, so a frame that is still being decoded holds back the word on all that came after it. That is how a relay knows
// a slow tab. Pure.

/** @typedef {{ sequence: bigint }} Came a frame that came; told apart by identity, because numbers may come again */

export class Ledger {
  /** Not done with, oldest first: by number, what came right before it. @type {Map<number, Came | null>} */
  #open = new Map();
  /** @type {Came | null} */
  #newest = null;
  /** @type {Came | null} */
  #told = null;

  /** @param {number} order grows with every frame, whatever `sequence` does @param {bigint} sequence */
  came(order, sequence) {
    this.#open.set(order, this.#newest);
    this.#newest = { sequence };
  }

  /**
   * Painted, taken by a decoder that may hold it back, or given up. Being done with a frame twice, or with one from before
   * `clear`, says nothing.
   * @param {number} order @returns {bigint | null} what to acknowledge; `null`: nothing new
   */
  done(order) {
    if (!this.#open.delete(order)) return null;
    const [beforeOldest = null] = this.#open.values();
    const reached = this.#open.size === 0 ? this.#newest : beforeOldest;
    if (!reached || reached === this.#told) return null;
    this.#told = reached;
    return reached.sequence;
  }

  /** Another track, or another subscription of the same number: what came before is nothing to it. */
  clear() {
    this.#open.clear();
    this.#newest = this.#told = null;
  }
}
