// Tells screen readers what changed, politely: states and places, never the age.

/** Several changes at once make one announcement. */
const GATHER = 400;
/** More than this would only be read over. */
const MOST = 4;

export class Announcer {
  /** @type {string[]} */
  #texts = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} place an aria-live region */
  constructor(place) {
    this.place = place;
  }

  /** @param {string} text */
  say(text) {
    this.#texts.push(text);
    this.#timer ??= setTimeout(() => {
      const more = this.#texts.length - MOST;
      const texts = this.#texts.slice(0, MOST);
      this.place.textContent = texts.join('. ') + (more > 0 ? `. And ${more} more` : '');
      this.#texts = [];
      this.#timer = undefined;
    }, GATHER);
  }
}
