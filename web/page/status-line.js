// One calm line for the whole wall: that the link is slow, that it is well again, that pictures freeze. It lies over the
// wall and moves nothing; it comes and goes by itself.

import { setText } from './dom.js';
import { StatusMessages } from './status-messages.js';

/** As the style sheet fades it. Words that went at once would leave an empty box fading. */
const FADE = 300;

export class StatusLine {
  #messages = new StatusMessages();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #emptying;

  /** @param {HTMLElement} container an aria-live region */
  constructor(container) {
    this.container = container;
  }

  /** @param {string} text @param {number} now milliseconds */
  showMessage(text, now) {
    this.#messages.showMessage(text, now);
  }

  /** @param {import('./status-messages.js').WallState} known @param {number} now milliseconds */
  render(known, now) {
    const words = this.#messages.textFor(known, now);
    this.container.classList.toggle('shown', words !== '');
    if (words !== '') {
      clearTimeout(this.#emptying);
      this.#emptying = undefined;
      setText(this.container, words);
    } else if (this.container.textContent !== '') {
      this.#emptying ??= setTimeout(() => setText(this.container, ''), FADE);
    }
  }
}
