// The controls of a paused wall: previous frame, time of the displayed frame, next frame, back to live. It overlays the wall,
// so that it works on an enlarged tile too and moves nothing.

import { byId, element, iconButton, setText } from './dom.js';

/** @type {Intl.DateTimeFormatOptions} */
const MOMENT = { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 2, hourCycle: 'h23' };

export class PauseBar {
  #moment = element('span', 'moment');

  /** @param {{ step: (by: number) => void, resume: () => void }} actions */
  constructor({ step, resume }) {
    const live = element('button', 'primary', 'Back to live');
    live.type = 'button';
    live.addEventListener('click', resume);
    const said = element('span', 'pause-text', 'Paused', this.#moment);
    said.setAttribute('aria-live', 'polite');
    const back = iconButton('previous', 'Previous frame', () => step(-1));
    const on = iconButton('next', 'Next frame', () => step(1));
    this.element = element('div', 'pause-bar', back, said, on, live);
    this.element.setAttribute('role', 'group');
    this.element.setAttribute('aria-label', 'Paused playback');
    this.element.hidden = true;
    // A part of the main content for screen readers.
    byId('wall').after(this.element);
  }

  /** @param {boolean} shown */
  show(shown) {
    this.element.hidden = !shown;
    setText(this.#moment, '');
  }

  /** Shows hundredths of a second, because a frame is shorter than a tenth. @param {number} moment milliseconds */
  showMoment(moment) {
    setText(this.#moment, `at ${new Date(moment).toLocaleTimeString([], MOMENT)}`);
  }
}
