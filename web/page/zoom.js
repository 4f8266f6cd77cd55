// Zooms the enlarged tile: wheel and pinch zoom, dragging pans, a swipe shows the next tile. A double click is full screen.

/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ next: () => void, previous: () => void, close: () => void, zoomed: (scale: number) => void }} Actions */

const CLOSEST = 12;
const SWIPE = 60;
/** A pointer that moved less than this has tapped. In pixels. */
const TAP = 6;

export class Zoom {
  /** @type {Tile | null} */
  #tile = null;
  #scale = 1;
  /** @type {Point} */
  #at = { x: 0, y: 0 };
  /** @type {Map<number, Point>} */
  #pointers = new Map();
  /** @type {Point | null} */
  #start = null;
  #moved = false;
  #pinched = false;
  /** @type {AbortController | null} */
  #listening = null;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
  }

  /** Listens on this tile only. @param {Tile | null} tile */
  attach(tile) {
    this.#listening?.abort();
    this.#set(1, { x: 0, y: 0 });
    this.#pointers.clear();
    this.#tile = tile;
    if (!tile) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const { view } = tile;
    view.addEventListener('wheel', (event) => this.#wheel(event), { signal, passive: false });
    view.addEventListener('pointerdown', (event) => this.#down(event), { signal });
    view.addEventListener('pointermove', (event) => this.#move(event), { signal });
    view.addEventListener('pointerup', (event) => this.#up(event), { signal });
    view.addEventListener('pointercancel', (event) => this.#up(event), { signal });
    view.addEventListener('click', (event) => this.#moved && event.stopImmediatePropagation(), { signal, capture: true });
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    // A pinch on a touchpad arrives as a wheel event with Ctrl, in finer steps.
    this.#zoomTo(this.#scale * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event);
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.#pointers.size === 0) {
      this.#start = pointOf(event);
      this.#moved = false;
      this.#pinched = false;
    }
    this.#pointers.set(event.pointerId, pointOf(event));
    if (this.#pointers.size > 1) this.#pinched = true;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before || !this.#start || !this.#tile) return;
    const now = pointOf(event);
    if (distance(now, this.#start) > TAP && !this.#moved) {
      this.#moved = true;
      this.#tile.view.setPointerCapture(event.pointerId);
    }
    if (this.#pinched) this.#pinch(event.pointerId, before, now);
    else if (this.#moved && this.#scale > 1) {
      this.#set(this.#scale, { x: this.#at.x + now.x - before.x, y: this.#at.y + now.y - before.y });
    }
    this.#pointers.set(event.pointerId, now);
  }

  /** @param {number} id @param {Point} before @param {Point} now */
  #pinch(id, before, now) {
    const other = [...this.#pointers].find(([pointer]) => pointer !== id)?.[1];
    if (!other) return;
    const factor = distance(now, other) / Math.max(1, distance(before, other));
    this.#zoomTo(this.#scale * factor, { clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
    const shift = { x: (now.x - before.x) / 2, y: (now.y - before.y) / 2 };
    this.#set(this.#scale, { x: this.#at.x + shift.x, y: this.#at.y + shift.y });
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#pointers.delete(event.pointerId);
    const start = this.#start;
    if (this.#pointers.size > 0 || !start) return;
    this.#start = null;
    const swiped = event.type === 'pointerup' && event.pointerType === 'touch' && !this.#pinched && this.#scale === 1;
    if (swiped) this.#swipe(event.clientX - start.x, event.clientY - start.y);
  }

  /** @param {number} x @param {number} y */
  #swipe(x, y) {
    if (Math.abs(x) > SWIPE && Math.abs(x) > 1.5 * Math.abs(y)) {
      if (x < 0) this.actions.next();
      else this.actions.previous();
    } else if (y > SWIPE && y > 1.5 * Math.abs(x)) this.actions.close();
  }

  /** Zooms around the pointer. @param {number} scale @param {{ clientX: number, clientY: number }} pointer */
  #zoomTo(scale, { clientX, clientY }) {
    const bounded = Math.min(CLOSEST, Math.max(1, scale));
    const by = bounded / this.#scale;
    const x = clientX - innerWidth / 2;
    const y = clientY - innerHeight / 2;
    this.#set(bounded, { x: x - (x - this.#at.x) * by, y: y - (y - this.#at.y) * by });
  }

  /** @param {number} scale @param {Point} at */
  #set(scale, at) {
    if (!this.#tile) return;
    const { view, canvasBox } = this.#tile;
    const [farX, farY] = [((scale - 1) * innerWidth) / 2, ((scale - 1) * innerHeight) / 2];
    this.#scale = scale;
    this.#at = { x: clamp(at.x, farX), y: clamp(at.y, farY) };
    canvasBox.style.transform = scale === 1 ? '' : `translate(${this.#at.x}px, ${this.#at.y}px) scale(${scale})`;
    view.classList.toggle('zoomed', scale > 1);
    this.actions.zoomed(scale);
  }
}

/** @param {{ clientX: number, clientY: number }} event @returns {Point} */
const pointOf = ({ clientX, clientY }) => ({ x: clientX, y: clientY });
/** @param {Point} a @param {Point} b */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
/** @param {number} value @param {number} far */
const clamp = (value, far) => Math.min(far, Math.max(-far, value));
