// Freezes: gaps between displayed frames that people notice. No clock: `now` is an argument, in milliseconds.

import { median } from '../shared/age.js';

/** People do not notice a shorter gap. */
const MIN_FREEZE = 200;
/** A slow camera does not freeze between its frames: a freeze lasts at least this many usual gaps. */
const UNUSUAL = 2.5;
/** The usual gap is the median of this many, and is known after the minimum. */
const GAPS = 15;
const MIN_GAPS = 5;
/** Freezes within this time are recent. */
const RECENT = 10_000;
/** Bounds the memory. More recent freezes would change nothing. */
const MAX_RECENT = 8;

/** @typedef {{ count: number, longest: number, recent: number }} FreezeCount `longest` in milliseconds */

export class Freezes {
  #count = 0;
  #longest = 0;
  /** @type {number[]} */
  #gaps = [];
  /** @type {number[]} */
  #moments = [];
  /** @type {number | null} */
  #last = null;

  /** A frame was displayed. @param {number} now @param {boolean} [starting] gaps are expected and not counted */
  shown(now, starting = false) {
    const gap = this.#last === null ? null : now - this.#last;
    this.#last = now;
    if (gap === null) return;
    if (!starting && gap > MIN_FREEZE && this.#gaps.length >= MIN_GAPS && gap > UNUSUAL * median(this.#gaps)) this.#note(gap, now);
    this.#gaps = [...this.#gaps.slice(1 - GAPS), gap];
  }

  /** The next gap is no freeze: the viewer caused it, or it has a known reason. */
  expectGap() {
    this.#last = null;
  }

  /** @param {number} now @returns {FreezeCount} */
  counted(now) {
    const recent = this.#moments.filter((moment) => now - moment < RECENT).length;
    return { count: this.#count, longest: this.#longest, recent };
  }

  /** @param {number} gap @param {number} now */
  #note(gap, now) {
    this.#count += 1;
    this.#longest = Math.max(this.#longest, gap);
    this.#moments = [...this.#moments.slice(1 - MAX_RECENT), now];
  }
}
