// Draws a frame's journey: a bar of seven legs, and the slowest of them in words.

import { formatAge } from '../shared/age.js';
import { element, setText } from './element.js';
import { LEGS, wayOf, wordsFor } from './journey.js';

/** Only made when it is asked for, and then kept: a bar that is made anew each second could not glide. */
export class JourneyBar {
  #bar = element('div', 'legs', ...LEGS.map((name) => leg('span', name)));
  #slowest = element('span', 'slowest');
  #total = element('span', 'total');
  #list = element('ul', 'leg-list', ...LEGS.map((name) => leg('li', name)));

  constructor() {
    const words = element('div', 'journey-words', this.#slowest, this.#total);
    this.element = element('div', 'journey', this.#bar, words, this.#list);
    this.element.hidden = true;
  }

  /** @param {readonly import('./journey.js').Passage[]} passages @returns {string} the same in words */
  render(passages) {
    const way = wayOf(passages);
    this.element.hidden = way === null;
    if (!way) return '';
    const words = wordsFor(way);
    setText(this.#slowest, words.slowest);
    setText(this.#total, words.total);
    way.legs.forEach(({ name, time }, index) => {
      const [part, row] = [this.#bar.children[index], this.#list.children[index]];
      if (part instanceof HTMLElement) part.style.flexGrow = String(Math.max(time, 0.01));
      if (row) setText(row, `${name} ${formatAge(time)}`);
      for (const shown of [part, row]) shown?.classList.toggle('is-slowest', name === way.slowest.name);
    });
    return `Journey: ${words.slowest}, ${words.total}`;
  }
}

/** @template {'span' | 'li'} K @param {K} tag @param {string} name */
function leg(tag, name) {
  const made = element(tag);
  made.dataset.leg = name;
  return made;
}
