// What the quiet line says: one thing at a time, the worst first, good news for a moment. Pure; `now` is passed in.

import { surer } from '../shared/blame.js';

/** As long as a short line takes to be seen and read. */
const MOMENT = 4_000;
/** So many freezes of a tile within ten seconds are no accident. */
export const REPEATED = 3;
/** Smaller pictures for a shorter time are not worth a word. */
const WORTH_A_WORD = 1_000;
/** So long after a relay tried a larger picture it may still take it back. */
const SURE = 2_000;

/** @typedef {import('../shared/blame.js').Culprit} Culprit */
/**
 * `slow`: fewer pictures come; `reduced`: smaller ones; each with its cause, `null`: not so. `freezing`: tiles that do so
 * again and again.
 * @typedef {{ slow: Culprit | null, reduced: Culprit | null, live: boolean, freezing: readonly string[] }} Known
 */

/** The cause is named only where it is known. @type {Readonly<Record<Culprit, string>>} */
export const SLOW = {
  link: 'Slow connection: lower frame rate',
  device: "This device can't keep up: lower frame rate",
  unknown: 'Lower frame rate for now',
};
export const WELL = 'Full frame rate again';
/** @type {Readonly<Record<Culprit, string>>} */
export const SMALLER = {
  link: 'Slow connection: lower resolution',
  device: "This device can't keep up: lower resolution",
  unknown: 'Lower resolution for now',
};
export const FULL = 'Full resolution again';

export class News {
  /** @type {Culprit | null} */
  #slow = null;
  /** As it was told. @type {Culprit | null} */
  #reduced = null;
  /** Since when it is not as it was told. @type {number | null} */
  #otherwiseSince = null;
  #once = { text: '', until: 0 };

  /** @param {string} text @param {number} now milliseconds */
  tellOnce(text, now) {
    this.#once = { text, until: now + MOMENT };
  }

  /** @param {Known} known @param {number} now milliseconds @returns {string} empty: nothing to say */
  words({ slow, reduced, live, freezing }, now) {
    this.#lookAtNumber(slow, reduced, live, now);
    this.#lookAtSize(reduced, live, now);
    if (slow) return SLOW[this.#slow ?? slow];
    if (now < this.#once.until) return this.#once.text;
    if (this.#reduced && live) return SMALLER[this.#reduced];
    const [first, ...others] = freezing;
    if (first === undefined) return '';
    return others.length > 0 ? 'Pictures freeze now and then' : `${first} freezes now and then`;
  }

  /** @param {Culprit | null} slow @param {Culprit | null} reduced @param {boolean} live @param {number} now */
  #lookAtNumber(slow, reduced, live, now) {
    // A known cause does not change while the trouble lasts. A lost link is no longer slow, but not well either.
    if (slow || !live) this.#slow = surer(this.#slow, slow);
    else if (this.#slow) {
      // All of them, but smaller: that is the same story, going on.
      if (reduced) this.#reduced = surer(this.#reduced, this.#slow);
      else this.tellOnce(WELL, now);
      this.#slow = null;
    }
  }

  /** @param {Culprit | null} reduced @param {boolean} live @param {number} now */
  #lookAtSize(reduced, live, now) {
    if (!live || (reduced !== null) === (this.#reduced !== null)) {
      this.#otherwiseSince = null;
      if (live && reduced) this.#reduced = surer(this.#reduced, reduced);
      return;
    }
    this.#otherwiseSince ??= now;
    if (now - this.#otherwiseSince < (reduced ? WORTH_A_WORD : SURE)) return;
    this.#otherwiseSince = null;
    this.#reduced = reduced;
    if (!reduced) this.tellOnce(FULL, now);
  }
}
