// Creates elements. Text is inserted as text, never as markup.

import { icon } from './icons.js';

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {string} [className] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, className = '', ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Creates a button with an icon. `label` is its accessible name. `short`, a part of it, is shown: on hover and with the focus; on
 * a touch screen below the icons of the enlarged tile.
 * @param {import('./icons.js').IconName} sign @param {string} label @param {() => void} onClick @param {string} [short]
 */
export function iconButton(sign, label, onClick, short = label) {
  const button = element('button', 'icon-button', icon(sign), element('span', 'label', short));
  button.type = 'button';
  button.setAttribute('aria-label', label);
  button.addEventListener('click', onClick);
  return button;
}

/** Changes the visible label of an icon button. @param {HTMLElement} button @param {string} text */
export function setLabel(button, text) {
  const label = button.querySelector('.label');
  if (label) setText(label, text);
}

/** Writes only changes, because this runs four times a second for every tile. @param {Element} target @param {string} text */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @param {Element} target @param {string} name @param {string} value */
export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** Returns the element with this id, which index.html must contain. @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}
