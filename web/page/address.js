// The page's address and the browser's history: the enlarged tile has an entry of its own, so that Back closes it without a
// reload, and its name in the address, so that it can be shared and survives a reload.

import { withoutLayout } from './layout-store.js';

/** Marks an entry that has the wall as its predecessor. */
const ENLARGED = { enlarged: true };
/** A step back within the page takes some milliseconds. A browser that has dropped the entry takes none. In milliseconds. */
const STEP_BACK = 1000;

export class Address {
  /** @type {string | null} */
  #name = null;
  /** Ends the wait for a step back; `null` if there is none. @type {ReturnType<typeof setTimeout> | null} */
  #leaving = null;
  #layoutChanged = false;

  /** @param {(name: string | null) => void} onMove called when the viewer moves through the history, with the tile to enlarge */
  constructor(onMove) {
    this.onMove = onMove;
    addEventListener('popstate', () => this.#moved());
  }

  /** Returns the tile that the address names. @returns {string | null} */
  get named() {
    return new URL(location.href).searchParams.get('stream');
  }

  /** Writes the enlarged tile into the address. @param {string | null} name */
  write(name) {
    this.#name = name;
    // A step back is not finished: the address of now is not the one to change.
    if (this.#leaving !== null || name === this.named) return;
    const hasWallBefore = history.state?.enlarged === true;
    if (name === null && hasWallBefore) this.#leave();
    else if (name !== null && this.named === null) history.pushState(ENLARGED, '', withStream(name));
    else history.replaceState(history.state, '', withStream(name));
  }

  /** Removes a layout from the address, which would otherwise override the stored one at the next reload. */
  dropLayout() {
    this.#layoutChanged = true;
    history.replaceState(history.state, '', withoutLayout(location.href));
  }

  /** Returns to the wall's entry, so that closing a tile leaves no second one behind. */
  #leave() {
    this.#leaving = setTimeout(() => {
      this.#leaving = null;
      history.replaceState(null, '', withStream(this.#name));
    }, STEP_BACK);
    history.back();
  }

  #moved() {
    const left = this.#leaving !== null;
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#leaving = null;
    if (this.#layoutChanged) this.dropLayout();
    if (left) this.write(this.#name);
    else this.onMove(this.named);
  }
}

/** @param {string | null} name */
function withStream(name) {
  const url = new URL(location.href);
  url.searchParams.delete('stream');
  if (name !== null) url.searchParams.set('stream', name);
  return url;
}
