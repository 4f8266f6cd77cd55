// Draws the latency breakdown: a bar of seven stages, and the slowest one as text.

import { formatAge } from '../shared/age.js';
import { element, setText } from './dom.js';
import { STAGES, breakdownOf, textFor } from './latency-breakdown.js';

/** Created once and then updated: a bar that is created again every second could not animate. */
export class LatencyBar {
  #bar = element('div', 'stages', ...STAGES.map((name) => stage('span', name)));
  #slowest = element('span', 'slowest');
  #total = element('span', 'total');
  #list = element('ul', 'stage-list', ...STAGES.map((name) => stage('li', name)));

  constructor() {
    const words = element('div', 'latency-text', this.#slowest, this.#total);
    this.element = element('div', 'latency', this.#bar, words, this.#list);
    this.element.hidden = true;
  }

  /** @param {readonly import('../shared/messages.js').FrameTiming[]} timings @returns {string} description for screen readers */
  render(timings) {
    const breakdown = breakdownOf(timings);
    this.element.hidden = breakdown === null;
    if (!breakdown) return '';
    const words = textFor(breakdown);
    setText(this.#slowest, words.slowest);
    setText(this.#total, words.total);
    breakdown.stages.forEach(({ name, time }, index) => {
      const [part, row] = [this.#bar.children[index], this.#list.children[index]];
      if (part instanceof HTMLElement) part.style.flexGrow = String(Math.max(time, 0.01));
      if (row) setText(row, `${name} ${formatAge(time)}`);
      for (const shown of [part, row]) shown?.classList.toggle('is-slowest', name === breakdown.slowest.name);
    });
    return `Latency: ${words.total}. ${words.slowest}`;
  }
}

/** @template {'span' | 'li'} K @param {K} tag @param {string} name */
function stage(tag, name) {
  const made = element(tag);
  made.dataset.stage = name;
  return made;
}
