// The one age at which all tiles of a wall in step show their pictures: that of the latest of them. A younger picture
// waits until it is as old. No clock: `now` is passed in; all times in milliseconds.

/** No tile makes the others wait longer than this. One that is later is left out of step. */
export const MAX_DELAY = 2_000;
/** A tile that was left out comes in again well below that, so that it does not come and go. */
const REJOIN_BELOW = 0.9 * MAX_DELAY;
/** What is looked back on; so many ages of each tile at most. */
const WINDOW = 5_000;
const MAX_AGES = 300;
/** The share of a tile's frames that should be there in time. */
const IN_TIME = 0.95;
/** For what the ages do not know: timers, and the screen's own rhythm. */
const MARGIN = 20;
/** Milliseconds a second: who waits longer sees the picture run a little slower, nobody sees it jump. */
const MAX_INCREASE = 150;
const MAX_DECREASE = 50;
/** Less than this is jitter, and not worth a change. */
const MIN_CHANGE = 15;

export class PlayoutDelay {
  /** How old everything is; `null` while no tile has reported an age. @type {number | null} */
  value = null;
  /** @type {Map<number, { at: number, age: number }[]>} */
  #tiles = new Map();
  /** @type {Set<number>} */
  #outOfSync = new Set();
  #updatedAt = 0;

  /** How old a tile's newest frame is when it could be shown. @param {number} id @param {number} age @param {number} now */
  add(id, age, now) {
    const ages = this.#tiles.get(id) ?? [];
    ages.push({ at: now, age });
    if (ages.length > MAX_AGES) ages.shift();
    this.#tiles.set(id, ages);
  }

  /** Whether a tile is too late for the others to wait. @param {number} id */
  excludes(id) {
    return this.#outOfSync.has(id);
  }

  /** Comes closer to what the tiles need; at once where nothing has been settled yet. @param {number} now */
  update(now) {
    const needed = this.#needed(now);
    const passed = Math.min(1, (now - this.#updatedAt) / 1000);
    this.#updatedAt = now;
    if (needed === null || this.value === null) this.value = needed;
    else if (needed > this.value) this.value = Math.min(needed, this.value + MAX_INCREASE * passed);
    else if (this.value - needed > MIN_CHANGE) this.value = Math.max(needed, this.value - MAX_DECREASE * passed);
  }

  /** Settles anew the next time. */
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

/** The age that most of them do not exceed. @param {readonly { age: number }[]} ages */
function percentile(ages) {
  const sorted = ages.map(({ age }) => Math.max(0, age)).sort((a, b) => a - b);
  return sorted[Math.ceil(IN_TIME * sorted.length) - 1] ?? null;
}
