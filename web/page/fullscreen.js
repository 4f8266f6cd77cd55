// Full screen: of the page as it is, or of one tile. A double click on the wall leads back to the wall.

/** @typedef {import('./wall.js').Wall} Wall */

export class FullScreen {
  /** True if full screen began with a double click on the wall: it ends there. */
  #fromWall = false;

  /** @param {Wall} wall */
  constructor(wall) {
    document.addEventListener('fullscreenchange', () => {
      if (document.fullscreenElement || !this.#fromWall) return;
      this.#fromWall = false;
      wall.enlarge(null);
    });
  }

  toggle() {
    if (document.fullscreenElement) void document.exitFullscreen();
    else enter();
  }

  /** @param {boolean} fromWall true if the first click of the double click enlarged the tile */
  toggleTile(fromWall) {
    if (!fromWall) this.toggle();
    else if (!document.fullscreenElement) {
      this.#fromWall = true;
      enter();
    }
  }

  /** The enlarged tile was closed. */
  closed() {
    if (this.#fromWall && document.fullscreenElement) void document.exitFullscreen();
    this.#fromWall = false;
  }
}

function enter() {
  // Not every browser allows it (Safari on an iPhone does not). Then nothing happens.
  document.documentElement.requestFullscreen?.().catch(() => {});
}
