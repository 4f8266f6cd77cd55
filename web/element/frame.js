// The shadow tree of an element: the picture, its name, age and status, and the controls.

import { element, iconButton, setAttribute, setText } from '../page/dom.js';

/** @typedef {{ fit: string, controls: boolean, age: boolean }} Looks */
/**
 * @typedef {object} Shown
 * @property {string} name
 * @property {string} state
 * @property {string} reason
 * @property {import('../page/watched-stream.js').ShownAge | null} age
 * @property {import('./embedded-stream.js').EmbeddedStream | null} stream
 * @property {boolean} paused
 */

export class Frame {
  #box = element('div', 'box');
  #picture = element('div', 'picture');
  #placeholderName = element('span', 'placeholder-name');
  #placeholderText = element('span', 'placeholder-text');
  #name = element('span', 'name');
  #age = element('span', 'age');
  #status = element('span', 'status');
  #pause;
  #full;
  #tools;
  /** Aspect ratio of the box, as text. */
  #aspect = '';
  /** @type {Looks} */
  #looks = { fit: 'contain', controls: false, age: false };

  /** @param {ShadowRoot} root @param {CSSStyleSheet} sheet @param {{ togglePause: () => void, toggleFullScreen: () => void }} actions */
  constructor(root, sheet, actions) {
    this.#pause = iconButton('pause', 'Pause', actions.togglePause);
    this.#pause.classList.add('pause');
    this.#full = iconButton('full', 'Full screen', actions.toggleFullScreen);
    this.#tools = element('div', 'tools', this.#pause, this.#full);
    this.#tools.setAttribute('role', 'group');
    this.#picture.setAttribute('role', 'img');
    this.#picture.setAttribute('part', 'picture');
    const placeholder = element('div', 'placeholder', this.#placeholderName, this.#placeholderText);
    const caption = element('div', 'caption', element('span', 'line', this.#name, this.#age), this.#status);
    caption.setAttribute('part', 'caption');
    // The picture's label has all of this for screen readers, except for the age, which changes all the time.
    for (const part of [placeholder, caption]) part.setAttribute('aria-hidden', 'true');
    this.#box.append(this.#picture, placeholder, caption, this.#tools);
    this.#box.addEventListener('dblclick', ({ target }) => this.#isTool(target) || !this.#looks.controls || actions.toggleFullScreen());
    root.adoptedStyleSheets = [sheet];
    root.append(this.#box);
    root.addEventListener('keydown', (event) => event instanceof KeyboardEvent && this.#keyPressed(event, actions));
    this.show(this.#looks);
  }

  /** @param {Looks} looks */
  show(looks) {
    this.#looks = looks;
    setAttribute(this.#box, 'data-fit', looks.fit);
    this.#box.classList.toggle('with-name', looks.controls);
    this.#box.classList.toggle('with-age', looks.age);
    this.#tools.hidden = !looks.controls;
    this.#full.hidden = !document.fullscreenEnabled;
  }

  /** @param {HTMLCanvasElement} canvas */
  showCanvas(canvas) {
    this.#picture.replaceChildren(canvas);
  }

  /** @param {Shown} shown */
  render({ name, state, reason, age, stream, paused }) {
    setAttribute(this.#box, 'data-state', state);
    this.#box.classList.toggle('pictured', stream !== null && stream.size !== null);
    if (stream?.size) this.#takeShape(stream.pictureAspect);
    setAttribute(this.#picture, 'aria-label', `${name || 'camera'}: ${reason || state}`);
    setAttribute(this.#tools, 'aria-label', `${name}: controls`);
    for (const part of [this.#name, this.#placeholderName]) setText(part, name);
    for (const part of [this.#status, this.#placeholderText]) setText(part, reason);
    setText(this.#age, age?.text ?? '');
    setAttribute(this.#age, 'data-lateness', age?.lateness ?? 'fine');
    setAttribute(this.#pause, 'aria-pressed', String(paused));
    if (!stream?.stats) return;
    setAttribute(this.#box, 'data-sequence', stream.stats.sequence);
    setAttribute(this.#box, 'data-codec', stream.stats.codec);
  }

  /** An element without a height of its own has the shape of its picture. @param {number} aspect */
  #takeShape(aspect) {
    const text = aspect.toFixed(4);
    if (text === this.#aspect) return;
    this.#aspect = text;
    this.#box.style.aspectRatio = text;
  }

  /** @param {KeyboardEvent} event @param {{ togglePause: () => void, toggleFullScreen: () => void }} actions */
  #keyPressed({ key, ctrlKey, metaKey, altKey }, { togglePause, toggleFullScreen }) {
    if (!this.#looks.controls || ctrlKey || metaKey || altKey) return;
    if (key === 'f') toggleFullScreen();
    else if (key === 'p') togglePause();
  }

  /** @param {EventTarget | null} target */
  #isTool(target) {
    return target instanceof Node && this.#tools.contains(target);
  }
}
