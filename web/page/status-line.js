// One status line for the whole wall: slow connection, recovery, stutter. It overlays the wall and moves nothing.

import { setText } from './dom.js';
import { StatusMessages } from './status-messages.js';

/** The style sheet fades for this long, in milliseconds. The text stays, because the box would fade empty otherwise. */
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
    const text = this.#messages.textFor(known, now);
    this.container.classList.toggle('shown', text !== '');
    if (text !== '') {
      clearTimeout(this.#emptying);
      this.#emptying = undefined;
      setText(this.container, text);
    } else if (this.container.textContent !== '') {
      this.#emptying ??= setTimeout(() => setText(this.container, ''), FADE);
    }
  }
}
