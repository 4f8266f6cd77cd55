// Announces changes to screen readers, politely: states and positions, never the age.

/** Texts within this time make one announcement. In milliseconds. */
const DELAY = 400;
/** Screen readers would only race through more texts than this. */
const MAX_TEXTS = 4;

export class Announcer {
  /** @type {string[]} */
  #texts = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} region an aria-live region */
  constructor(region) {
    this.region = region;
  }

  /** @param {string} text */
  announce(text) {
    this.#texts.push(text);
    this.#timer ??= setTimeout(() => {
      const more = this.#texts.length - MAX_TEXTS;
      const texts = this.#texts.slice(0, MAX_TEXTS);
      this.region.textContent = texts.join('. ') + (more > 0 ? `. And ${more} more` : '');
      this.#texts = [];
      this.#timer = undefined;
    }, DELAY);
  }
}
