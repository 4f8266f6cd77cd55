// The one age at which all tiles of a wall in step show their pictures: that of the latest of them. A younger picture
// waits until it is as old. No clock: `now` is passed in; all times in milliseconds.

/** No tile makes the others wait longer than this. One that is later is left out of step. */
export const MOST_BEHIND = 2_000;
/** A tile that was left out comes in again well below that, so that it does not come and go. */
const BACK_IN = 0.9 * MOST_BEHIND;
/** What is looked back on; so many ages of each tile at most. */
const WINDOW = 5_000;
const MOST_AGES = 300;
/** The share of a tile's frames that should be there in time. */
const IN_TIME = 0.95;
/** For what the ages do not know: timers, and the screen's own rhythm. */
const A_LITTLE = 20;
/** Milliseconds a second: who waits longer sees the picture run a little slower, nobody sees it jump. */
const SLOWER = 150;
const FASTER = 50;
/** Less than this is jitter, and not worth a change. */
const TOO_LITTLE = 15;

export class CommonAge {
  /** How old everything is; `null` while no tile has told an age. @type {number | null} */
  age = null;
  /** @type {Map<number, { at: number, age: number }[]>} */
  #tiles = new Map();
  /** @type {Set<number>} */
  #leftOut = new Set();
  #settledAt = 0;

  /** How old a tile's newest frame is when it could be shown. @param {number} id @param {number} age @param {number} now */
  add(id, age, now) {
    const ages = this.#tiles.get(id) ?? [];
    ages.push({ at: now, age });
    if (ages.length > MOST_AGES) ages.shift();
    this.#tiles.set(id, ages);
  }

  /** Whether a tile is too late for the others to wait. @param {number} id */
  leavesOut(id) {
    return this.#leftOut.has(id);
  }

  /** Comes closer to what the tiles need; at once where nothing has been settled yet. @param {number} now */
  settle(now) {
    const needed = this.#needed(now);
    const passed = Math.min(1, (now - this.#settledAt) / 1000);
    this.#settledAt = now;
    if (needed === null || this.age === null) this.age = needed;
    else if (needed > this.age) this.age = Math.min(needed, this.age + SLOWER * passed);
    else if (this.age - needed > TOO_LITTLE) this.age = Math.max(needed, this.age - FASTER * passed);
  }

  /** Settles anew the next time. */
  begin() {
    this.age = null;
    this.#leftOut.clear();
  }

  /** @param {number} id */
  forget(id) {
    this.#tiles.delete(id);
    this.#leftOut.delete(id);
  }

  /** @param {number} now */
  #needed(now) {
    /** @type {number | null} */
    let needed = null;
    for (const [id, ages] of this.#tiles) {
      while (ages[0] && now - ages[0].at > WINDOW) ages.shift();
      const age = usually(ages);
      if (age === null) continue;
      if (age > MOST_BEHIND - A_LITTLE) this.#leftOut.add(id);
      else if (age < BACK_IN) this.#leftOut.delete(id);
      if (!this.#leftOut.has(id)) needed = Math.max(needed ?? 0, age + A_LITTLE);
    }
    return needed;
  }
}

/** The age that most of them do not exceed. @param {readonly { age: number }[]} ages */
function usually(ages) {
  const sorted = ages.map(({ age }) => Math.max(0, age)).sort((a, b) => a - b);
  return sorted[Math.ceil(IN_TIME * sorted.length) - 1] ?? null;
}
