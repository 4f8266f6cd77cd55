// The playout delay of a synced wall: the frame age at which all tiles show their frames. It follows the latest tile; younger
// frames wait. No clock: `now` is an argument. All times are milliseconds.

/** No tile makes the others wait longer than this. A later tile is excluded. */
export const MAX_DELAY = 2_000;
/** An excluded tile rejoins well below the maximum, so that it does not alternate. */
const REJOIN_BELOW = 0.9 * MAX_DELAY;
/** Ages within this window count, at most `MAX_AGES` of each tile. */
const WINDOW = 5_000;
const MAX_AGES = 300;
/** Share of a tile's frames that must be decoded in time. */
const IN_TIME = 0.95;
/** Covers what the ages do not include: timers and the screen's refresh interval. */
const MARGIN = 20;
/** Rates of change, in milliseconds a second: the video runs slightly slower or faster instead of jumping. */
const MAX_INCREASE = 150;
const MAX_DECREASE = 50;
/** A smaller change is jitter, and is ignored. */
const MIN_CHANGE = 15;

export class PlayoutDelay {
  /** The delay; `null` while no tile has a known age. @type {number | null} */
  value = null;
  /** @type {Map<number, { at: number, age: number }[]>} */
  #tiles = new Map();
  /** @type {Set<number>} */
  #outOfSync = new Set();
  #updatedAt = 0;

  /** Adds the age at which a tile's frame could be shown. @param {number} id @param {number} age @param {number} now */
  add(id, age, now) {
    const ages = this.#tiles.get(id) ?? [];
    ages.push({ at: now, age });
    if (ages.length > MAX_AGES) ages.shift();
    this.#tiles.set(id, ages);
  }

  /** Returns whether a tile is so late that the others do not wait for it. @param {number} id */
  excludes(id) {
    return this.#outOfSync.has(id);
  }

  /** Moves towards the delay that the tiles need; jumps to the first one. @param {number} now */
  update(now) {
    const needed = this.#needed(now);
    const passed = Math.min(1, (now - this.#updatedAt) / 1000);
    this.#updatedAt = now;
    if (needed === null || this.value === null) this.value = needed;
    else if (needed > this.value) this.value = Math.min(needed, this.value + MAX_INCREASE * passed);
    else if (this.value - needed > MIN_CHANGE) this.value = Math.max(needed, this.value - MAX_DECREASE * passed);
  }

  /** The next update jumps to the needed delay. */
  reset() {
    this.value = null;
    this.#outOfSync.clear();
  }

  /** @param {number} id */
  forget(id) {
    this.#tiles.delete(id);
    this.#outOfSync.delete(id);
  }

  /** @param {number} now */
  #needed(now) {
    /** @type {number | null} */
    let needed = null;
    for (const [id, ages] of this.#tiles) {
      while (ages[0] && now - ages[0].at > WINDOW) ages.shift();
      const age = percentile(ages);
      if (age === null) continue;
      if (age > MAX_DELAY - MARGIN) this.#outOfSync.add(id);
      else if (age < REJOIN_BELOW) this.#outOfSync.delete(id);
      if (!this.#outOfSync.has(id)) needed = Math.max(needed ?? 0, age + MARGIN);
    }
    return needed;
  }
}

/** Returns the age that `IN_TIME` of them do not exceed. @param {readonly { age: number }[]} ages */
function percentile(ages) {
  const sorted = ages.map(({ age }) => Math.max(0, age)).sort((a, b) => a - b);
  return sorted[Math.ceil(IN_TIME * sorted.length) - 1] ?? null;
}
