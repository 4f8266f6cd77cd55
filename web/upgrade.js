// A relay that was upgraded serves another page: this one reloads itself, but not again and again.

import { tabStorage } from './session.js';

const KEY = 'fanlight.reloaded';
/** Two relays of different builds behind one address would else have the page reload for ever. */
const AT_MOST_EVERY = 60_000;

/** @param {number} now @param {() => void} [reload] @param {Storage | null} [storage] */
export function reloadOnce(now, reload = () => location.reload(), storage = tabStorage()) {
  if (!storage || now - Number(storage.getItem(KEY) ?? 0) < AT_MOST_EVERY) return;
  storage.setItem(KEY, String(now));
  reload();
}
