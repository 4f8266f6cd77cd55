// One tile of the wall: shows a stream's picture, name, age and status. It asks the wall for everything that concerns other tiles.

import { decodesH264, forget, idOf, paintsInWorker, post } from '../boot.js';
import { LazyModule, loadModule } from '../shared/lazy-module.js';
import { element, iconButton, setAttribute, setText } from './dom.js';
import { icon } from './icons.js';
import { causeOf, moreCertain } from './slow-cause.js';
import { WatchedStream } from './watched-stream.js';

/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */

/**
 * @typedef {object} TileActions actions of the wall
 * @property {(tile: Tile, click: import('./double-click.js').Click) => void} click
 * @property {() => void} back
 * @property {(tile: Tile) => void} rotate
 * @property {(tile: Tile) => void} resize
 * @property {(tile: Tile) => void} info
 * @property {() => void} pause
 * @property {() => void} fullScreen
 * @property {(tile: Tile, what: 'picture' | 'clip') => void} save
 * @property {(tile: Tile) => void} share
 * @property {(tile: Tile) => void} dismiss
 */

/** The latency breakdown is the median of this many frames, one a second. */
const MAX_JOURNEYS = 5;
/** A frame that the worker painted is on the screen within this time, in milliseconds. */
const PREVIEW_COVERED_AFTER = 250;

export class Tile extends WatchedStream {
  /** Cause of a lower frame rate; `null` if it is not lower. @type {SlowCause | null} */
  slowCause = null;
  /** Cause of a lower resolution; `null` if it is not lower. @type {SlowCause | null} */
  reducedCause = null;
  /** Journeys of recent frames, oldest first. @type {readonly import('../shared/messages.js').FrameJourney[]} */
  journeys = [];
  /** True if the stream was in the relay's list and no longer is. */
  vanished = false;
  /** @type {Rotation} */
  rotation = 0;
  /** @type {HTMLImageElement | null} */
  #preview = null;
  /** @type {typeof import('./details.js') | null} */
  #details = null;
  /** Loaded on demand: no picture waits for it. */
  #detailsModule = new LazyModule({
    now: () => performance.now(),
    load: () => loadModule(() => import('./details.js'), new URL('details.js', import.meta.url)),
    use: (module) => (this.#details = module),
  });
  /** The age in the tile's caption, in milliseconds; `null` unless the picture is moving. @type {number | null} */
  #calmAge = null;
  /** @type {import('./latency-bar.js').LatencyBar | null} */
  #latencyBar = null;

  /** @param {string} name @param {TileActions} actions */
  constructor(name, actions) {
    super(name, idOf(name));
    this.canvas = element('canvas');
    this.canvasBox = element('span', 'canvas-box', this.canvas);
    this.placeholderText = element('span', 'placeholder-text');
    this.placeholder = element('span', 'placeholder', element('span', 'placeholder-name', name), ' ', this.placeholderText);
    this.view = element('button', 'view', this.canvasBox, this.placeholder);
    this.view.type = 'button';
    this.age = element('span', 'age');
    this.statusText = element('span', 'status');
    this.summary = element('span', 'summary');
    this.values = element('dl', 'values');
    this.details = this.#detailsGroup(actions);
    this.resizeButton = iconButton('larger', 'Make larger', () => actions.resize(this), 'Larger');
    this.pauseButton = iconButton('pause', 'Pause', () => actions.pause());
    this.infoButton = iconButton('info', 'Details', () => actions.info(this));
    this.infoButton.setAttribute('aria-controls', this.details.id);
    this.description = element('span');
    this.description.id = `about-${name}`;
    this.description.hidden = true;
    this.view.setAttribute('aria-describedby', this.description.id);
    this.element = element('li', 'tile', this.view, this.#caption(), this.#tools(actions), this.description);
    this.element.dataset.stream = name;
    this.view.addEventListener('click', (event) => actions.click(this, event));
    this.#connectCanvas();
    this.setRotation(0);
    this.showDetails(false);
  }

  #caption() {
    const line = element('span', 'line', element('span', 'name', this.name), this.age);
    const head = element('div', 'head', line, this.statusText, this.summary);
    // The button's label contains all of this for screen readers, except for the age, which changes all the time.
    head.setAttribute('aria-hidden', 'true');
    return element('div', 'caption', head, this.details);
  }

  /** Keys scroll it, and its text can be selected. @param {TileActions} actions */
  #detailsGroup(actions) {
    const group = element('div', 'details', this.values);
    group.id = `details-${this.name}`;
    group.tabIndex = 0;
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', `${this.name}: details`);
    group.addEventListener('click', (event) => document.getSelection()?.isCollapsed !== false && actions.click(this, event));
    return group;
  }

  /** @param {TileActions} actions */
  #tools(actions) {
    const back = iconButton('back', 'Back to wall', () => actions.back(), 'Back');
    const full = iconButton('full', 'Full screen', () => actions.fullScreen(), 'Full');
    const picture = iconButton('picture', 'Save picture', () => actions.save(this, 'picture'), 'Picture');
    const clip = iconButton('clip', 'Save clip', () => actions.save(this, 'clip'), 'Clip');
    const rotate = iconButton('rotate', 'Rotate', () => actions.rotate(this));
    const share = iconButton('share', 'Share', () => actions.share(this));
    share.classList.add('share');
    back.classList.add('back');
    full.classList.add('full');
    full.hidden = !document.fullscreenEnabled;
    for (const save of [picture, clip]) save.classList.add('save');
    this.pauseButton.classList.add('pause');
    this.resizeButton.classList.add('resize');
    const tools = element('div', 'tools', back, this.pauseButton, picture, clip, this.infoButton, rotate, this.resizeButton, share, full, this.#dismissButton(actions));
    tools.setAttribute('role', 'group');
    tools.setAttribute('aria-label', `${this.name}: tools`);
    // After a mouse click the keys act on the tile again, and not on a button that is about to hide.
    tools.addEventListener('click', ({ detail }) => detail > 0 && this.view.focus({ preventScroll: true }));
    return tools;
  }

  /** Removes the tile of a stream that is gone. @param {TileActions} actions */
  #dismissButton(actions) {
    const button = element('button', 'primary dismiss', icon('close'), 'Dismiss');
    button.type = 'button';
    button.setAttribute('aria-label', `Dismiss ${this.name}`);
    button.addEventListener('click', () => actions.dismiss(this));
    return button;
  }

  #connectCanvas() {
    if (paintsInWorker) {
      const canvas = this.canvas.transferControlToOffscreen();
      post({ type: 'canvas', id: this.id, canvas }, [canvas]);
    } else {
      post({ type: 'canvas', id: this.id, canvas: null });
    }
  }

  /** Aspect ratio as displayed, after rotation. */
  get aspect() {
    return this.rotation % 180 === 0 ? this.pictureAspect : 1 / this.pictureAspect;
  }

  /** Takes a message of the relay about this tile. @override @param {import('../shared/protocol.js').FromRelay} message */
  receive(message) {
    super.receive(message);
    if (message.type === 'track') this.reducedCause = message.reduced ? (this.reducedCause ?? 'unknown') : null;
    else if (message.type === 'state') this.slowCause = message.state === 'slow' ? (this.slowCause ?? 'unknown') : null;
  }

  /**
   * Looks for the cause of a lower frame rate or resolution, unless it is known. While the tile is starting, measurements prove
   * nothing.
   * @param {import('../shared/messages.js').Evidence} evidence @param {number} now milliseconds
   */
  diagnose(evidence, now) {
    if (this.watchedSince === null || this.isStarting(now)) return;
    const cause = causeOf(this.stats?.busy ?? 0, evidence);
    if (this.slowCause) this.slowCause = moreCertain(this.slowCause, cause);
    if (this.reducedCause) this.reducedCause = moreCertain(this.reducedCause, cause);
  }

  /** Paints a bitmap, if the browser cannot paint in the worker. @param {ImageBitmap} bitmap */
  paint(bitmap) {
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
    post({ type: 'bitmap-painted', id: this.id });
  }

  /** Shows a picture that is not live below the canvas, until a frame covers it. @param {HTMLImageElement} image @param {number} now milliseconds */
  showPreview(image, now) {
    this.#preview = image;
    this.previewedAt = now;
    this.shapeAs({ width: image.naturalWidth, height: image.naturalHeight });
    this.canvas.before(image);
  }

  /** A frame was painted. The screen shows it a moment later, and the preview stays until then. */
  coverPreview() {
    const preview = this.#preview;
    if (!preview) return;
    this.#preview = null;
    this.previewedAt = null;
    setTimeout(() => preview.remove(), PREVIEW_COVERED_AFTER);
  }

  /** @param {boolean} paused @param {number} now milliseconds */
  setPaused(paused, now) {
    this.paused = paused;
    setAttribute(this.pauseButton, 'aria-pressed', String(paused));
    if (paused || this.watchedSince === null) return;
    // The paused picture does not prove that the stream is live. The next frame does.
    this.watchedSince = now;
    if (this.stats) this.stats = { ...this.stats, painted: 0 };
  }

  /** @param {import('../shared/messages.js').FrameJourney} journey */
  addJourney(journey) {
    this.journeys = [...this.journeys.slice(1 - MAX_JOURNEYS), journey];
  }

  get detailsOpen() {
    return this.element.classList.contains('details-open');
  }

  /** @param {boolean} open */
  showDetails(open) {
    // The focus must not vanish with the details.
    if (!open && this.details.contains(document.activeElement)) this.view.focus({ preventScroll: true });
    this.element.classList.toggle('details-open', open);
    setAttribute(this.infoButton, 'aria-expanded', String(open));
  }

  /** @param {Rotation} rotation */
  setRotation(rotation) {
    this.rotation = rotation;
    this.element.dataset.rotation = String(rotation);
  }

  /** @param {boolean} large */
  setLarge(large) {
    this.element.classList.toggle('large', large);
    setAttribute(this.resizeButton, 'aria-pressed', String(large));
  }

  /**
   * Updates everything that is visible.
   * @param {boolean} linkUp @param {number} now milliseconds @param {number} ahead milliseconds that the relay's clock is ahead of ours
   * @returns {boolean} true if the state or its text changed
   */
  render(linkUp, now, ahead) {
    const changed = this.updateStatus(linkUp, now, ahead);
    const { state, text } = this.status;
    setAttribute(this.element, 'data-state', state);
    this.element.classList.toggle('pictured', this.size !== null);
    this.element.classList.toggle('previewed', this.previewedAt !== null);
    this.element.classList.toggle('gone', this.gone !== null);
    this.element.classList.toggle('starting', this.isStarting(now));
    setText(this.statusText, text);
    setText(this.placeholderText, text);
    this.#renderAge(now);
    if (this.detailsOpen) this.#renderDetails();
    else this.#clearJourneys();
    if (this.element.matches(':hover, :focus-within, .enlarged')) this.#renderSummary();
    if (changed) this.view.setAttribute('aria-label', this.label);
    return changed;
  }

  /** Removes the tile. The worker forgets the stream. */
  close() {
    forget(this.name);
    this.element.remove();
  }

  /** @param {number} now */
  #renderAge(now) {
    const age = this.ageAt(now);
    this.#calmAge = age?.calm ?? null;
    setText(this.age, age?.text ?? '');
    if (!age || !this.stats) return;
    setAttribute(this.age, 'data-lateness', age.lateness);
    setAttribute(this.element, 'data-age', age.exact.toFixed(1));
    setAttribute(this.element, 'data-sequence', this.stats.sequence);
    setAttribute(this.element, 'data-captured', String(this.stats.capturedAt));
    setAttribute(this.element, 'data-codec', this.stats.codec);
  }

  /** Old journeys would be wrong when the details open again. */
  #clearJourneys() {
    this.journeys = [];
    setText(this.description, '');
  }

  #renderDetails() {
    if (!this.#details) {
      this.#detailsModule.request();
      return;
    }
    const { detailRows, LatencyBar, renderRows } = this.#details;
    renderRows(this.values, detailRows(this.#facts));
    if (!this.#latencyBar) {
      this.#latencyBar = new LatencyBar();
      this.values.before(this.#latencyBar.element);
    }
    setText(this.description, this.#latencyBar.render(this.journeys, this.#calmAge));
  }

  /** The one line that a tile shows on hover and with the focus. */
  #renderSummary() {
    if (this.#details) setText(this.summary, this.#details.summaryOf(this.#facts));
    else this.#detailsModule.request();
  }

  get #facts() {
    const { info, track, stats, size, reducedCause } = this;
    return { info, track, fps: this.fps, stats, size, slowCause: this.status.slow ? this.slowCause : null, reducedCause, decodesH264: decodesH264() };
  }
}
