// What the quiet line says: one thing at a time, the worst first, good news for a moment. Pure; `now` is passed in.

import { moreCertain } from './slow-cause.js';

/** As long as a short line takes to be seen and read. */
const MOMENT = 4_000;
/** So many freezes of a tile within ten seconds are no accident. */
export const REPEATED = 3;
/** Smaller pictures for a shorter time are not worth a word. */
const WORTH_A_WORD = 1_000;
/** So long after a relay tried a larger picture it may still take it back. */
const SURE = 2_000;

/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */
/**
 * `slow`: fewer pictures come; `reduced`: smaller ones; each with its cause, `null`: not so. `stuttering`: tiles that do so
 * again and again.
 * @typedef {{ slow: SlowCause | null, reduced: SlowCause | null, live: boolean, stuttering: readonly string[] }} WallState
 */

/** The cause is named only where it is known. @type {Readonly<Record<SlowCause, string>>} */
export const LOWER_FRAME_RATE = {
  link: 'Slow connection: lower frame rate',
  device: "This device can't keep up: lower frame rate",
  unknown: 'Lower frame rate for now',
};
export const FULL_FRAME_RATE = 'Full frame rate again';
/** @type {Readonly<Record<SlowCause, string>>} */
export const LOWER_RESOLUTION = {
  link: 'Slow connection: lower resolution',
  device: "This device can't keep up: lower resolution",
  unknown: 'Lower resolution for now',
};
export const FULL_RESOLUTION = 'Full resolution again';

export class StatusMessages {
  /** @type {SlowCause | null} */
  #slow = null;
  /** As it was reported. @type {SlowCause | null} */
  #reduced = null;
  /** Since when it is not as it was reported. @type {number | null} */
  #otherwiseSince = null;
  #once = { text: '', until: 0 };

  /** @param {string} text @param {number} now milliseconds */
  showMessage(text, now) {
    this.#once = { text, until: now + MOMENT };
  }

  /** @param {WallState} known @param {number} now milliseconds @returns {string} empty: nothing to say */
  textFor({ slow, reduced, live, stuttering }, now) {
    this.#lookAtNumber(slow, reduced, live, now);
    this.#lookAtSize(reduced, live, now);
    if (slow) return LOWER_FRAME_RATE[this.#slow ?? slow];
    if (now < this.#once.until) return this.#once.text;
    if (this.#reduced && live) return LOWER_RESOLUTION[this.#reduced];
    const [first, ...others] = stuttering;
    if (first === undefined) return '';
    return others.length > 0 ? 'Several cameras are stuttering' : `${first} is stuttering`;
  }

  /** @param {SlowCause | null} slow @param {SlowCause | null} reduced @param {boolean} live @param {number} now */
  #lookAtNumber(slow, reduced, live, now) {
    // A known cause does not change while the trouble lasts. A lost link is no longer slow, but not well either.
    if (slow || !live) this.#slow = moreCertain(this.#slow, slow);
    else if (this.#slow) {
      // All of them, but smaller: that is the same story, going on.
      if (reduced) this.#reduced = moreCertain(this.#reduced, this.#slow);
      else this.showMessage(FULL_FRAME_RATE, now);
      this.#slow = null;
    }
  }

  /** @param {SlowCause | null} reduced @param {boolean} live @param {number} now */
  #lookAtSize(reduced, live, now) {
    if (!live || (reduced !== null) === (this.#reduced !== null)) {
      this.#otherwiseSince = null;
      if (live && reduced) this.#reduced = moreCertain(this.#reduced, reduced);
      return;
    }
    this.#otherwiseSince ??= now;
    if (now - this.#otherwiseSince < (reduced ? WORTH_A_WORD : SURE)) return;
    this.#otherwiseSince = null;
    this.#reduced = reduced;
    if (!reduced) this.showMessage(FULL_RESOLUTION, now);
  }
}
