// Freezes: gaps between shown frames that people notice. No clock: `now` is passed in, in milliseconds.

import { median } from '../shared/age.js';

/** Shorter than this nobody sees. */
const MIN_FREEZE = 200;
/** A slow camera does not freeze between its frames: a gap counts from so many of the usual ones. */
const UNUSUAL = 2.5;
/** What is usual, over so many gaps; and how many of them it takes to know. */
const GAPS = 15;
const FEWEST_GAPS = 5;
/** Freezes within this time count as recent ones. */
const RECENT = 10_000;
/** Recent freezes worth remembering; more do not make it worse. */
const MOST_RECENT = 8;

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

  /** A frame has been shown. @param {number} now @param {boolean} [starting] gaps are expected, and do not count */
  shown(now, starting = false) {
    const gap = this.#last === null ? null : now - this.#last;
    this.#last = now;
    if (gap === null) return;
    if (!starting && gap > MIN_FREEZE && this.#gaps.length >= FEWEST_GAPS && gap > UNUSUAL * median(this.#gaps)) this.#note(gap, now);
    this.#gaps = [...this.#gaps.slice(1 - GAPS), gap];
  }

  /** What comes next comes after a pause that somebody wanted, or that has a reason of its own: no freeze. */
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
    this.#moments = [...this.#moments.slice(1 - MOST_RECENT), now];
  }
}
