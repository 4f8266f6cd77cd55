// The wall: all tiles, packed, with at most one enlarged. Knows which tiles are visible, and nothing about sockets.

import { loadModule } from '../shared/lazy-module.js';
import { earlySubscriptions, post } from '../boot.js';
import { isStreamName } from '../shared/protocol.js';
import { limitsOf } from '../shared/sizes.js';
import { Address } from './address.js';
import { Dismissed } from './dismissed.js';
import { DOUBLE_CLICK, DoubleClick } from './double-click.js';
import { inOrder, loadLayout, machineStorage, moved, rotationOf, saveLayout } from './layout-store.js';
import { contained, pack } from './packing.js';
import { Tile } from './tile.js';
import { Visibility } from './visibility.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('./packing.js').Rect} Rect */

/** Border of every picture in pixels: half of the gap between two, as in the style sheet. */
const BORDER = 1;
/** Publishers announce their streams every second; a relay has received all announcements within this time. In milliseconds. */
const KEEP_MISSING = 4_000;
/** Tiles of streams that are gone and that the relay has forgotten. A capture that keeps changing its names must not fill the wall. */
const MAX_FORGOTTEN = 64;

export class Wall {
  /** Tiles by stream, in the order of the wall. @type {Map<string, Tile>} */
  tiles = new Map();
  /** @type {Tile | null} */
  enlarged = null;
  /** Animates a move. Nothing moves before the controls are loaded. @type {typeof import('./motion.js').moveFrom} */
  play = () => {};
  layout = loadLayout(new URL(location.href).searchParams, machineStorage());
  #dismissed = new Dismissed(machineStorage());
  /** @type {Map<Tile, Rect>} */
  #boxes = new Map();
  /** @type {Set<Tile>} */
  #visible = new Set();
  detailsOpen = false;
  #paused = false;
  /** @type {readonly StreamInfo[]} */
  #streams = [];
  #keepUntil = 0;
  /** Zoom factor of the enlarged tile. */
  #scale = 1;
  #doubleClick = new DoubleClick();
  /** The effect of the latest click, which may be the first of a double click. @type {'enlarged' | 'toggled' | ''} */
  #firstClick = '';
  /** A click that waits, because it may become a double click. @type {ReturnType<typeof setTimeout> | undefined} */
  #click;

  /**
   * @param {HTMLElement} list
   * @param {{ now: () => number, onChange: () => void, onEnlarge: (tile: Tile | null) => void, onPause: () => void,
   *   onFullScreen: (fromWall: boolean) => void, announce: (text: string) => void, relayNow: () => number }} env
   *   `fromWall`: by a double click on the wall; `relayNow`: microseconds of the relay's clock
   */
  constructor(list, env) {
    this.list = list;
    this.env = env;
    this.visibility = new Visibility({
      now: env.now,
      post,
      early: earlySubscriptions,
      tiles: () => this.tiles.values(),
      limits: (tile) => this.#limits(tile),
    });
    this.address = new Address((name) => {
      if (name !== null && isStreamName(name)) this.enlargeByName(name);
      else this.enlarge(null);
    });
    this.observer = new IntersectionObserver((entries) => this.#observed(entries), { rootMargin: '20%' });
    addEventListener('resize', () => this.arrange());
  }

  /** Adds tiles so that they match the relay's list. A stream that is gone keeps its tile. @param {readonly StreamInfo[]} streams */
  setStreams(streams) {
    this.#streams = streams;
    this.#dismissed.update(streams);
    const listed = streams.filter((info) => !this.#dismissed.has(info) || info.name === this.enlarged?.name);
    const infos = new Map(listed.map((info) => [info.name, info]));
    for (const tile of this.tiles.values()) if (!infos.has(tile.name)) this.#miss(tile);
    for (const info of listed) this.#list(this.#tileOf(info.name), info);
    this.#limitForgotten();
    this.#sort();
    this.arrange();
  }

  /** The relay lists this tile's stream. @param {Tile} tile @param {StreamInfo} info */
  #list(tile, info) {
    if (tile.error || tile.vanished) this.visibility.again(tile);
    tile.vanished = false;
    tile.list(info);
    tile.error = '';
  }

  /** The relay does not list this tile's stream. @param {Tile} tile */
  #miss(tile) {
    tile.vanished ||= tile.info !== null;
    tile.info = null;
    if (!tile.vanished && !this.#keeps(tile)) this.#remove(tile);
    // A relay that has just started may list it in a moment.
    if (tile.vanished && this.env.now() >= this.#keepUntil) tile.gone ??= { since: this.env.relayNow(), reason: '' };
  }

  #limitForgotten() {
    const forgotten = [...this.tiles.values()].filter((tile) => tile.vanished && tile !== this.enlarged);
    forgotten.sort((a, b) => (b.gone?.since ?? Infinity) - (a.gone?.since ?? Infinity));
    for (const tile of forgotten.slice(MAX_FORGOTTEN)) this.#remove(tile);
  }

  /** Removes the tile of a stream that is gone, until the stream returns. @param {Tile} tile */
  dismiss(tile) {
    if (!tile.gone) return;
    if (tile === this.enlarged) this.enlarge(null);
    const next = this.#neighbourOf(tile);
    this.#dismissed.add(tile.name, tile.gone.since);
    this.#remove(tile);
    this.arrange();
    next?.view.focus({ preventScroll: true });
    this.env.announce(`${tile.name}: dismissed`);
    this.env.onChange();
  }

  /** The tiles of streams that are gone. */
  get gone() {
    return [...this.tiles.values()].filter((tile) => tile.gone);
  }

  /** Removes the tiles of all streams that are gone, until they return. */
  dismissGone() {
    const { gone } = this;
    if (this.enlarged?.gone) this.enlarge(null);
    for (const tile of gone) {
      this.#dismissed.add(tile.name, tile.gone?.since ?? 0);
      this.#remove(tile);
    }
    this.arrange();
    this.env.announce(`${gone.length} cameras: dismissed`);
    this.env.onChange();
  }

  /** Returns the next tile, or the one before the last. @param {Tile} tile */
  #neighbourOf(tile) {
    const tiles = [...this.tiles.values()];
    const at = tiles.indexOf(tile);
    return tiles[at + 1] ?? tiles[at - 1] ?? null;
  }

  /** For a while, a tile that the relay does not list is not gone: a relay that has just started knows no stream yet. */
  keepMissing() {
    this.#keepUntil = this.env.now() + KEEP_MISSING;
    setTimeout(() => {
      this.setStreams(this.#streams);
      this.env.onChange();
    }, KEEP_MISSING);
  }

  /** Returns the tile of a subscription. @param {number} id */
  byId(id) {
    for (const tile of this.tiles.values()) if (tile.id === id) return tile;
    return null;
  }

  /** Packs the tiles, positions them, and requests the visible ones. */
  arrange() {
    const items = [...this.tiles.values()].map((tile) => ({
      name: tile.name,
      aspect: tile.aspect,
      large: this.layout.large.has(tile.name),
    }));
    const screen = { width: this.list.clientWidth, height: innerHeight - this.list.offsetTop };
    const { boxes, height } = pack(items, screen);
    this.list.style.height = `${Math.max(height, screen.height)}px`;
    for (const box of boxes) this.#put(box, screen.height);
    this.visibility.update();
  }

  /** Enlarges a tile to the whole window, or none. @param {Tile | null} tile */
  enlarge(tile) {
    const before = this.enlarged;
    if (before === tile) return;
    const moving = tile ?? before;
    const from = moving ? this.#rectOf(moving) : null;
    this.enlarged = tile;
    this.#scale = 1;
    clearTimeout(this.#click);
    before?.element.classList.remove('enlarged');
    tile?.element.classList.add('enlarged');
    document.documentElement.classList.toggle('has-enlarged', tile !== null);
    for (const other of this.tiles.values()) other.element.inert = tile !== null && other !== tile;
    this.env.onEnlarge(tile);
    if (!tile && before && !before.info && !before.vanished) this.#remove(before);
    this.arrange();
    if (moving && from && !(tile && before)) this.play(moving.element, from, this.#rectOf(moving));
    // A page that opens with an enlarged tile has no ring yet: it would look like a warning.
    const quiet = navigator.userActivation?.hasBeenActive === false ? { focusVisible: false } : {};
    (tile ?? before)?.view.focus({ preventScroll: tile !== null, ...quiet });
    this.address.write(tile?.name ?? null);
    if (!(tile && before)) this.env.announce(tile ? `${tile.label}, enlarged` : 'Back to wall');
    this.env.onChange();
  }

  /** Enlarges by name. The stream may appear later. @param {string} name */
  enlargeByName(name) {
    this.enlarge(this.#tileOf(name));
  }

  /** Sets the zoom factor of the enlarged tile, to request a matching size. @param {number} scale */
  zoom(scale) {
    if (scale === this.#scale) return;
    this.#scale = scale;
    this.visibility.update();
  }

  /** Enlarges the next or previous tile instead of the enlarged one. @param {number} by */
  step(by) {
    if (!this.enlarged) return;
    const tiles = [...this.tiles.values()];
    const at = tiles.indexOf(this.enlarged);
    const next = tiles[(at + by + tiles.length) % tiles.length];
    if (!next || next === this.enlarged) return;
    this.enlarge(next);
    this.env.announce(next.label);
  }

  /** Moves a tile to another position in the order. @param {Tile} tile @param {number} target */
  move(tile, target) {
    this.layout.order = moved([...this.tiles.keys()], tile.name, target);
    this.#keepLayout();
    const place = [...this.tiles.keys()].indexOf(tile.name) + 1;
    this.env.announce(`${tile.name}: position ${place} of ${this.tiles.size}`);
  }

  /** @param {Tile} tile */
  resize(tile) {
    if (!this.layout.large.delete(tile.name)) this.layout.large.add(tile.name);
    this.#keepLayout();
  }

  /** @param {Tile} tile */
  rotate(tile) {
    const rotation = rotationOf(tile.rotation + 90);
    if (rotation === 0) this.layout.rotation.delete(tile.name);
    else this.layout.rotation.set(tile.name, rotation);
    this.#keepLayout();
    this.env.announce(`${tile.name}: rotated to ${rotation} degrees`);
  }

  /** @param {Tile} tile @param {'picture' | 'clip'} what */
  save(tile, what) {
    if (what === 'clip') post({ type: 'save', id: tile.id, what, rotation: tile.rotation });
    else post({ type: 'save', id: tile.id, what });
  }

  /** Toggles the details of this tile, or of all. @param {Tile} [tile] */
  toggleDetails(tile) {
    if (tile) tile.showDetails(!tile.detailsOpen);
    else {
      this.detailsOpen = !this.detailsOpen;
      for (const each of this.tiles.values()) each.showDetails(this.detailsOpen);
    }
    this.env.onChange();
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    this.#paused = paused;
    for (const tile of this.tiles.values()) tile.setPaused(paused, this.env.now());
  }

  /** Resets order, sizes and rotations. */
  resetLayout() {
    this.layout.order = [];
    this.layout.large.clear();
    this.layout.rotation.clear();
    this.#keepLayout();
  }

  /** Returns the visible tiles, in the order of the wall, with the sizes in which they are visible. */
  get seen() {
    return [...this.tiles.values()].flatMap((tile) => {
      const limits = this.#limits(tile);
      return limits ? [{ tile, limits }] : [];
    });
  }

  /** Returns the position of a tile on the wall. @param {Tile} tile */
  boxOf(tile) {
    return this.#boxes.get(tile) ?? null;
  }

  /** @param {string} name @returns {Tile} */
  #tileOf(name) {
    const known = this.tiles.get(name);
    if (known) return known;
    const tile = new Tile(name, {
      click: (self, click) => this.#clicked(self, click),
      back: () => this.enlarge(null),
      rotate: (self) => this.rotate(self),
      resize: (self) => this.resize(self),
      info: (self) => this.toggleDetails(self),
      pause: () => this.env.onPause(),
      fullScreen: () => this.env.onFullScreen(false),
      save: (self, what) => this.save(self, what),
      share: (self) => void share(self.name),
      dismiss: (self) => this.dismiss(self),
    });
    tile.showDetails(this.detailsOpen);
    tile.setPaused(this.#paused, this.env.now());
    tile.element.inert = this.enlarged !== null;
    this.tiles.set(name, tile);
    this.list.append(tile.element);
    this.observer.observe(tile.element);
    this.#applyLayout(tile);
    return tile;
  }

  /** The enlarged tile always stays: it was requested by name, and its stream may return. @param {Tile} tile */
  #keeps(tile) {
    return tile === this.enlarged || this.env.now() < this.#keepUntil;
  }

  /** Enlarges a tile; if it is enlarged, toggles its details. @param {Tile} tile */
  activate(tile) {
    if (this.enlarged === tile) this.toggleDetails(tile);
    else this.enlarge(tile);
  }

  /**
   * A double click shows a tile in full screen. Its first click enlarges the tile immediately, but does not unfold its details.
   * @param {Tile} tile @param {import('./double-click.js').Click} click
   */
  #clicked(tile, click) {
    clearTimeout(this.#click);
    const before = this.#firstClick;
    this.#firstClick = '';
    if (this.#doubleClick.isSecond(click)) {
      if (before === 'toggled') this.toggleDetails(tile);
      this.env.onFullScreen(before === 'enlarged');
    } else if (this.enlarged !== tile) {
      this.#firstClick = 'enlarged';
      this.enlarge(tile);
    } else if (click.detail === 0) this.toggleDetails(tile);
    else this.#click = setTimeout(() => this.#toggleByClick(tile), DOUBLE_CLICK);
  }

  /** @param {Tile} tile */
  #toggleByClick(tile) {
    this.#firstClick = 'toggled';
    this.toggleDetails(tile);
  }

  /** @param {Tile} tile */
  #remove(tile) {
    this.tiles.delete(tile.name);
    this.#boxes.delete(tile);
    this.#visible.delete(tile);
    this.observer.unobserve(tile.element);
    this.visibility.remove(tile);
    tile.close();
  }

  /** @param {import('./packing.js').Box} box @param {number} screenHeight */
  #put({ name, ...box }, screenHeight) {
    const tile = this.tiles.get(name);
    if (!tile) return;
    // Its position shows whether a new tile is visible, one frame before the observer reports it: so it is requested only once.
    if (!this.#boxes.has(tile) && box.y < screenHeight) this.#visible.add(tile);
    this.#boxes.set(tile, box);
    const { style } = tile.element;
    style.left = `${box.x}px`;
    style.top = `${box.y}px`;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
  }

  /** @param {Tile} tile */
  #limits(tile) {
    const seen = this.enlarged ? tile === this.enlarged : this.#visible.has(tile);
    if (!seen || document.hidden) return null;
    const turned = tile.rotation % 180 !== 0;
    if (this.enlarged) return limitsOf({ width: innerWidth, height: innerHeight }, this.#scale * devicePixelRatio, turned);
    const box = this.#boxes.get(tile);
    if (!box) return null;
    return limitsOf({ width: box.width - 2 * BORDER, height: box.height - 2 * BORDER }, devicePixelRatio, turned);
  }

  /** @param {readonly IntersectionObserverEntry[]} entries */
  #observed(entries) {
    for (const { target, isIntersecting } of entries) {
      const tile = this.tiles.get(target instanceof HTMLElement ? (target.dataset.stream ?? '') : '');
      if (!tile) continue;
      if (isIntersecting) this.#visible.add(tile);
      else this.#visible.delete(tile);
    }
    this.visibility.update();
  }

  #sort() {
    const names = inOrder([...this.tiles.keys()], this.layout);
    const tiles = names.map((name) => this.tiles.get(name)).filter((tile) => tile !== undefined);
    const inPlace = tiles.every((tile, index) => this.list.children[index] === tile.element);
    this.tiles = new Map(tiles.map((tile) => [tile.name, tile]));
    // Moving an element removes its focus, so only misplaced ones are moved.
    if (inPlace) return;
    const focused = document.activeElement;
    this.list.append(...tiles.map(({ element }) => element));
    if (focused instanceof HTMLElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }

  #keepLayout() {
    saveLayout(this.layout, machineStorage());
    this.address.dropLayout();
    const before = new Map([...this.tiles.values()].map((tile) => [tile, this.#rectOf(tile)]));
    for (const tile of this.tiles.values()) this.#applyLayout(tile);
    this.#sort();
    this.arrange();
    before.forEach((from, tile) => this.play(tile.element, from, this.#rectOf(tile)));
  }

  /** @param {Tile} tile */
  #applyLayout(tile) {
    tile.setRotation(this.layout.rotation.get(tile.name) ?? 0);
    tile.setLarge(this.layout.large.has(tile.name));
  }

  /** Returns where a tile's picture is in the window. @param {Tile} tile @returns {Rect} */
  #rectOf(tile) {
    return contained(tile.element.getBoundingClientRect(), tile.aspect);
  }
}

/** Opens the dialog for a link to a camera, which most people never open. @param {string} name */
async function share(name) {
  const module = await loadModule(() => import('./share.js'), new URL('share.js', import.meta.url)).catch(() => null);
  module?.showShare(name);
}
