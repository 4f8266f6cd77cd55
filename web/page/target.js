// Decides which tile a key acts on: the enlarged one; otherwise the one under the pointer or with the focus, whichever moved last.

/** @typedef {import('./wall.js').Wall} Wall */
/** @typedef {import('./tile.js').Tile} Tile */

export class Target {
  /** True if the mouse moved since a key moved the focus. */
  #pointed = false;
  /** True if a click gave the focus to the focused element, or hit it. Then the viewer does not see where the focus is. */
  #focusClicked = false;

  /** @param {Wall} wall */
  constructor(wall) {
    this.wall = wall;
    let last = { x: NaN, y: NaN };
    addEventListener('pointermove', ({ pointerType, clientX, clientY }) => {
      // Browsers also report a move when something else moves under a resting mouse.
      const moved = clientX !== last.x || clientY !== last.y;
      last = { x: clientX, y: clientY };
      if (pointerType !== 'touch' && moved) this.#pointed = true;
    });
    addEventListener('pointerdown', () => (this.#focusClicked = true), { capture: true });
    addEventListener('focusin', ({ target }) => {
      const byKey = target instanceof Element && target.matches(':focus-visible');
      this.#focusClicked = !byKey;
      if (byKey) this.#pointed = false;
    });
  }

  /** @returns {Tile | null} */
  get tile() {
    const { enlarged, tiles } = this.wall;
    const only = tiles.size === 1 ? [...tiles.values()][0] : undefined;
    return enlarged ?? this.near ?? only ?? null;
  }

  /** The tile under the pointer or with the focus. @returns {Tile | null} */
  get near() {
    const tiles = [...this.wall.tiles.values()];
    const focused = tiles.find(({ element }) => element.contains(document.activeElement));
    const hovered = tiles.find(({ element }) => element.matches(':hover'));
    return (this.#pointed ? (hovered ?? focused) : (focused ?? hovered)) ?? null;
  }

  /** True if the focused element got its focus from a key, so that the viewer sees it there. */
  get hasVisibleFocus() {
    return !this.#focusClicked;
  }
}
