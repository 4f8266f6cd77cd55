// One calm line for the whole wall: that the link is slow, that it is well again, that pictures freeze. It lies over the
// wall and moves nothing; it comes and goes by itself.

import { setText } from './element.js';
import { News } from './news.js';

/** As the style sheet fades it. Words that went at once would leave an empty box fading. */
const FADE = 300;

export class QuietLine {
  #news = new News();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #emptying;

  /** @param {HTMLElement} place an aria-live region */
  constructor(place) {
    this.place = place;
  }

  /** @param {string} text @param {number} now milliseconds */
  tellOnce(text, now) {
    this.#news.tellOnce(text, now);
  }

  /** @param {import('./news.js').Known} known @param {number} now milliseconds */
  render(known, now) {
    const words = this.#news.words(known, now);
    this.place.classList.toggle('shown', words !== '');
    if (words !== '') {
      clearTimeout(this.#emptying);
      this.#emptying = undefined;
      setText(this.place, words);
    } else if (this.place.textContent !== '') {
      this.#emptying ??= setTimeout(() => setText(this.place, ''), FADE);
    }
  }
}
