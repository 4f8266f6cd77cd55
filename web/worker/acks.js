// Which frames of a subscription the page is done with. The relay is reported how far: `ack` means every frame up to that
// one, so a frame that is still being decoded holds back the word on all that received after it. That is how a relay knows
// a slow tab. Pure.

/** @typedef {{ sequence: bigint }} Received a frame that received; reported apart by identity, because numbers may come again */

export class AckTracker {
  /** Not done with, oldest first: by number, what received right before it. @type {Map<number, Received | null>} */
  #open = new Map();
  /** @type {Received | null} */
  #newest = null;
  /** @type {Received | null} */
  #reported = null;

  /** @param {number} order grows with every frame, whatever `sequence` does @param {bigint} sequence */
  received(order, sequence) {
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
    if (!reached || reached === this.#reported) return null;
    this.#reported = reached;
    return reached.sequence;
  }

  /** Another track, or another subscription of the same number: what received before is nothing to it. */
  clear() {
    this.#open.clear();
    this.#newest = this.#reported = null;
  }
}
