// What the quiet line says: one thing at a time, the worst first, good news for a moment. Pure; `now` is passed in.

/** As long as a short line takes to be seen and read. */
const MOMENT = 4_000;
/** So many freezes of a tile within ten seconds are no accident. */
export const REPEATED = 3;

/** @typedef {{ slow: boolean, live: boolean, freezing: readonly string[] }} Known `freezing`: tiles that do so again and again */

export const SLOW = 'Your link is slow: fewer pictures, none of them old';
export const WELL = 'Every picture again';

export class News {
  #wasSlow = false;
  #once = { text: '', until: 0 };

  /** @param {string} text @param {number} now milliseconds */
  tellOnce(text, now) {
    this.#once = { text, until: now + MOMENT };
  }

  /** @param {Known} known @param {number} now milliseconds @returns {string} empty: nothing to say */
  words({ slow, live, freezing }, now) {
    // A link that is lost is no longer slow, but not well either.
    if (this.#wasSlow && !slow && live) this.tellOnce(WELL, now);
    this.#wasSlow = slow || (this.#wasSlow && !live);
    if (slow) return SLOW;
    if (now < this.#once.until) return this.#once.text;
    const [first, ...others] = freezing;
    if (first === undefined) return '';
    return others.length > 0 ? 'Pictures freeze now and then' : `${first} freezes now and then`;
  }
}
