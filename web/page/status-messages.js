// Texts of the status line: one at a time, the worst problem first, a recovery for a few seconds. Pure: `now` is an argument.

import { moreCertain } from './slow-cause.js';

/** Time to notice and read a short line, in milliseconds. */
const MOMENT = 4_000;
/** This many freezes of a tile within ten seconds are a stutter. */
export const REPEATED = 3;
/** A shorter reduction of the resolution is not reported, in milliseconds. */
const MIN_REDUCTION = 1_000;
/** A probe: within this time after a larger rendition starts, the relay may revert it, in milliseconds. */
const PROBE = 2_000;

/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */
/**
 * State of the wall. `slow` and `reduced`: cause of a lower frame rate or resolution; `null` without one. `stuttering`: names
 * of tiles with repeated freezes.
 * @typedef {{ slow: SlowCause | null, reduced: SlowCause | null, live: boolean, stuttering: readonly string[] }} WallState
 */

/** The cause is named only if it is known. @type {Readonly<Record<SlowCause, string>>} */
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
  /** The reduction as the line shows it. @type {SlowCause | null} */
  #reduced = null;
  /** Since when the actual reduction differs from it. @type {number | null} */
  #changedSince = null;
  #message = { text: '', until: 0 };

  /** @param {string} text @param {number} now milliseconds */
  showMessage(text, now) {
    this.#message = { text, until: now + MOMENT };
  }

  /** @param {WallState} known @param {number} now milliseconds @returns {string} empty: nothing to say */
  textFor({ slow, reduced, live, stuttering }, now) {
    this.#updateFrameRate(slow, reduced, live, now);
    this.#updateResolution(reduced, live, now);
    if (slow) return LOWER_FRAME_RATE[this.#slow ?? slow];
    if (now < this.#message.until) return this.#message.text;
    if (this.#reduced && live) return LOWER_RESOLUTION[this.#reduced];
    const [first, ...others] = stuttering;
    if (first === undefined) return '';
    return others.length > 0 ? 'Several cameras are stuttering' : `${first} is stuttering`;
  }

  /** @param {SlowCause | null} slow @param {SlowCause | null} reduced @param {boolean} live @param {number} now */
  #updateFrameRate(slow, reduced, live, now) {
    // A known cause stays until recovery. A lost connection is no longer slow, but it has not recovered either.
    if (slow || !live) this.#slow = moreCertain(this.#slow, slow);
    else if (this.#slow) {
      // Full frame rate at a lower resolution is the same problem, and no recovery.
      if (reduced) this.#reduced = moreCertain(this.#reduced, this.#slow);
      else this.showMessage(FULL_FRAME_RATE, now);
      this.#slow = null;
    }
  }

  /** @param {SlowCause | null} reduced @param {boolean} live @param {number} now */
  #updateResolution(reduced, live, now) {
    if (!live || (reduced !== null) === (this.#reduced !== null)) {
      this.#changedSince = null;
      if (live && reduced) this.#reduced = moreCertain(this.#reduced, reduced);
      return;
    }
    this.#changedSince ??= now;
    if (now - this.#changedSince < (reduced ? MIN_REDUCTION : PROBE)) return;
    this.#changedSince = null;
    this.#reduced = reduced;
    if (!reduced) this.showMessage(FULL_RESOLUTION, now);
  }
}
