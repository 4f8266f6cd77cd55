// Draws the latency breakdown: a bar of seven stages, and the slowest one as text.

import { formatAge } from '../shared/age.js';
import { element, setText } from './dom.js';
import { breakdownOf, STAGES, textFor } from './latency-breakdown.js';

/** Created once and then updated: a bar that is created again every second could not animate. */
export class LatencyBar {
  #bar = element('div', 'stages', ...STAGES.map((name) => stage('span', name)));
  #slowest = element('span', 'slowest');
  #total = element('span', 'total');
  #list = element('ul', 'stage-list', ...STAGES.map((name) => stage('li', name)));

  constructor() {
    const text = element('div', 'latency-text', this.#slowest, this.#total);
    this.element = element('div', 'latency', this.#bar, text, this.#list);
    this.element.hidden = true;
  }

  /**
   * @param {readonly import('../shared/messages.js').FrameJourney[]} journeys
   * @param {number | null} age the age that the tile shows, in milliseconds
   * @returns {string} description for screen readers
   */
  render(journeys, age) {
    const breakdown = breakdownOf(journeys);
    this.element.hidden = breakdown === null;
    if (!breakdown) return '';
    const text = textFor(breakdown, age);
    setText(this.#slowest, text.slowest);
    setText(this.#total, text.total);
    breakdown.stages.forEach(({ name, time }, index) => {
      const [part, row] = [this.#bar.children[index], this.#list.children[index]];
      if (part instanceof HTMLElement) part.style.flexGrow = String(Math.max(time, 0.01));
      if (row) setText(row, `${name} ${formatAge(time)}`);
      for (const shown of [part, row]) shown?.classList.toggle('is-slowest', name === breakdown.slowest.name);
    });
    return `Latency: ${[text.total, text.slowest].filter((part) => part !== '').join('. ')}`;
  }
}

/** @template {'span' | 'li'} K @param {K} tag @param {string} name */
function stage(tag, name) {
  const made = element(tag);
  made.dataset.stage = name;
  return made;
}
