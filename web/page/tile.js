// One tile: a stream's picture, name, age and status. It asks the wall for everything that concerns other tiles.

import { forget, idOf, paintsInWorker, post } from '../boot.js';
import { formatAge, formatSpan, lateness, shownAge, START_UP } from '../shared/age.js';
import { LazyModule, loadModule } from '../shared/lazy-module.js';
import { areOfOneShape, USUAL_ASPECT } from '../shared/sizes.js';
import { element, iconButton, setAttribute, setText } from './dom.js';
import { causeOf, moreCertain } from './slow-cause.js';
import { statusOf } from './tile-status.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/messages.js').PlayerStats} PlayerStats */
/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */
/** @typedef {import('../shared/sizes.js').Size} Size */

/**
 * @typedef {object} TileActions actions of the wall
 * @property {(tile: Tile) => void} enlarge
 * @property {() => void} back
 * @property {(tile: Tile) => void} rotate
 * @property {(tile: Tile) => void} resize
 * @property {(tile: Tile) => void} info
 * @property {() => void} pause
 * @property {(tile: Tile, what: 'picture' | 'clip') => void} save
 */

/** The latency breakdown is the median of this many frames, one a second. */
const MAX_JOURNEYS = 5;

export class Tile {
  /** @type {StreamInfo | null} */
  info = null;
  /** @type {import('../shared/protocol.js').Track | null} */
  track = null;
  /** @type {import('./tile-status.js').TileInputs['reported']} */
  reported = null;
  /** @type {PlayerStats | null} */
  stats = null;
  /** Cause of a lower frame rate; `null` if it is not lower. @type {SlowCause | null} */
  slowCause = null;
  /** Cause of a lower resolution; `null` if it is not lower. @type {SlowCause | null} */
  reducedCause = null;
  /** Size of the displayed picture. @type {Size | null} */
  size = null;
  /** Shape of the tile: the first size, as long as others differ by rounding only. Then no tile moves. @type {Size | null} */
  #shape = null;
  /** Journeys of recent frames, oldest first. @type {readonly import('../shared/messages.js').FrameJourney[]} */
  journeys = [];
  error = '';
  /** True if the stream was in the relay's list and no longer is. */
  vanished = false;
  /** True if the viewer paused the wall. */
  paused = false;
  /** True if the tile is too late to be synced with the others. */
  outOfSync = false;
  /** @type {Rotation} */
  rotation = 0;
  /** @type {number | null} */
  watchedSince = null;
  /** @type {import('./tile-status.js').TileStatus} */
  status = { state: 'waiting', text: '', slow: false };
  /** @type {typeof import('./details.js') | null} */
  #details = null;
  /** Loaded on demand: no picture waits for it. */
  #detailsModule = new LazyModule({
    now: () => performance.now(),
    load: () => loadModule(() => import('./details.js'), new URL('details.js', import.meta.url)),
    use: (module) => (this.#details = module),
  });
  /** @type {import('./latency-bar.js').LatencyBar | null} */
  #latencyBar = null;

  /** @param {string} name @param {TileActions} actions */
  constructor(name, actions) {
    this.name = name;
    this.id = idOf(name);
    this.canvas = element('canvas');
    this.canvasBox = element('span', 'canvas-box', this.canvas);
    this.placeholderText = element('span', 'placeholder-text');
    this.placeholder = element('span', 'placeholder', element('span', 'placeholder-name', name), this.placeholderText);
    this.view = element('button', 'view', this.canvasBox, this.placeholder);
    this.view.type = 'button';
    this.age = element('span', 'age');
    this.statusText = element('span', 'status');
    this.details = element('dl', 'details');
    this.resizeButton = iconButton('larger', 'Make larger', () => actions.resize(this));
    this.description = element('span', 'offscreen');
    this.description.id = `about-${name}`;
    this.view.setAttribute('aria-describedby', this.description.id);
    this.element = element('li', 'tile', this.view, this.#caption(), this.#tools(actions), this.description);
    this.element.dataset.stream = name;
    this.view.addEventListener('click', () => actions.enlarge(this));
    this.#connectCanvas();
    this.setRotation(0);
  }

  #caption() {
    const line = element('span', 'line', element('span', 'name', this.name), this.age);
    const caption = element('div', 'caption', line, this.statusText, this.details);
    // The button's label contains all of this for screen readers, except for the age, which changes all the time.
    caption.setAttribute('aria-hidden', 'true');
    return caption;
  }

  /** @param {TileActions} actions */
  #tools(actions) {
    const back = iconButton('back', 'Back to wall', () => actions.back());
    back.classList.add('back');
    this.resizeButton.classList.add('resize');
    const pause = iconButton('pause', 'Pause', () => actions.pause());
    pause.classList.add('pause');
    return element(
      'div',
      'tools',
      back,
      pause,
      this.#saveButton('picture', 'Save picture', actions),
      this.#saveButton('clip', 'Save clip', actions),
      iconButton('info', 'Details', () => actions.info(this)),
      iconButton('rotate', 'Rotate', () => actions.rotate(this)),
      this.resizeButton,
    );
  }

  /** @param {'picture' | 'clip'} what @param {string} label @param {TileActions} actions */
  #saveButton(what, label, actions) {
    const button = iconButton(what, label, () => actions.save(this, what));
    button.classList.add('save');
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

  /** The tile's name and status, for screen readers. */
  get label() {
    return `${this.name}: ${this.status.text || this.status.state}`;
  }

  /** Aspect ratio as displayed, after rotation. */
  get aspect() {
    const { width, height } = this.#shape ?? this.#listedShape ?? { width: USUAL_ASPECT, height: 1 };
    const aspect = Math.min(8, Math.max(1 / 8, width / height));
    return this.rotation % 180 === 0 ? aspect : 1 / aspect;
  }

  /** Shape of the largest rendition, whose aspect ratio is rounded least. @returns {Size | null} */
  get #listedShape() {
    const known = (this.info?.tracks ?? []).filter(({ width, height }) => width > 0 && height > 0);
    return known.sort((a, b) => b.width - a.width)[0] ?? null;
  }

  /** Frames of another size are painted from now on. @param {Size} size */
  showSize(size) {
    const known = this.#shape ?? this.#listedShape;
    this.#shape = known && areOfOneShape(known, size) ? { width: known.width, height: known.height } : size;
    this.size = size;
  }

  /** Takes a message of the relay about this tile. @param {import('../shared/protocol.js').FromRelay} message */
  receive(message) {
    if (message.type === 'track') {
      this.track = message;
      this.reducedCause = message.reduced ? (this.reducedCause ?? 'unknown') : null;
    } else if (message.type === 'state') {
      this.reported = message;
      this.slowCause = message.state === 'slow' ? (this.slowCause ?? 'unknown') : null;
    } else if (message.type === 'error') this.error = message.message || message.code;
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

  /** Returns whether the stream was requested so recently that delays are expected. @param {number} now milliseconds */
  isStarting(now) {
    return this.watchedSince !== null && now - this.watchedSince < START_UP;
  }

  /** Paints a bitmap, if the browser cannot paint in the worker. @param {ImageBitmap} bitmap */
  paint(bitmap) {
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
    post({ type: 'bitmap-painted', id: this.id });
  }

  /** The stream is requested again: the displayed picture is old until a new frame arrives. @param {number} now */
  start(now) {
    this.watchedSince = now;
    this.reported = null;
    this.error = '';
    if (this.stats) this.stats = { ...this.stats, painted: 0 };
  }

  /** @param {boolean} paused @param {number} now milliseconds */
  setPaused(paused, now) {
    this.paused = paused;
    if (paused || this.watchedSince === null) return;
    // The paused picture does not prove that the stream is live. The next frame does.
    this.watchedSince = now;
    if (this.stats) this.stats = { ...this.stats, painted: 0 };
  }

  /** @param {import('../shared/messages.js').FrameJourney} journey */
  addJourney(journey) {
    this.journeys = [...this.journeys.slice(1 - MAX_JOURNEYS), journey];
  }

  /** True if the details are visible, or about to be. */
  get detailsOpen() {
    return this.element.matches('.details-open, :hover:not(.enlarged)');
  }

  /** The stream is no longer requested. */
  suspend() {
    this.watchedSince = null;
    this.reported = null;
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
   * @param {boolean} linkUp @param {number} now milliseconds
   * @returns {boolean} true if the state or its text changed
   */
  render(linkUp, now) {
    const { error, watchedSince, paused, outOfSync } = this;
    const before = this.status;
    const reported = this.reported ?? this.info;
    this.status = statusOf({ linkUp, reported, error, watchedSince, paused, outOfSync, picture: this.#picture() }, now);
    const { state, text } = this.status;
    setAttribute(this.element, 'data-state', state);
    this.element.classList.toggle('pictured', this.size !== null);
    this.element.classList.toggle('starting', this.isStarting(now));
    setText(this.statusText, text);
    setText(this.placeholderText, text);
    this.#renderAge(now);
    if (!this.detailsOpen) this.#clearJourneys();
    if (this.element.matches('.details-open, :hover, :focus-within, .enlarged')) this.#renderDetails();
    const changed = before.state !== state || before.text !== text;
    if (changed) this.view.setAttribute('aria-label', this.label);
    return changed;
  }

  /** Removes the tile. The worker forgets the stream. */
  close() {
    forget(this.name);
    this.element.remove();
  }

  #picture() {
    if (!this.stats || this.stats.sequence === '') return null;
    const { age, paintedAt, interval, painted } = this.stats;
    const announced = this.#fps > 0 ? 1000 / this.#fps : 0;
    // Before the relay's clock is known, a picture may have any age.
    return { ageAtPaint: age ?? Infinity, paintedAt, interval: Math.max(interval, announced), painted };
  }

  /** Frame rate of the source; 0 while unknown. It is measured, so it is too low at first. */
  get #fps() {
    const { track } = this;
    const listed = this.info?.tracks.find(({ rendition, codec }) => rendition === track?.rendition && codec === track.codec);
    return Math.max(listed?.fps ?? 0, this.track?.fps ?? 0);
  }

  /** @param {number} now */
  #renderAge(now) {
    const picture = this.#picture();
    if (!picture || !this.stats || this.stats.age === null) {
      setText(this.age, '');
      return;
    }
    const { calmAge, age, sequence, capturedAt, codec } = this.stats;
    const exact = shownAge({ ...picture, ageAtPaint: age }, now);
    const calm = shownAge({ ...picture, ageAtPaint: calmAge ?? age }, now);
    const moving = this.status.state === 'live' || this.status.state === 'late';
    // The age of a picture that was paused a moment ago says nothing, nor does that of a copy of an old picture.
    const ago = (this.status.state === 'paused' && exact < 1000) || this.status.state === 'frozen' ? '' : `${formatSpan(exact)} ago`;
    setText(this.age, moving ? formatAge(calm) : ago);
    setAttribute(this.age, 'data-lateness', moving ? lateness(calm) : 'fine');
    setAttribute(this.element, 'data-age', exact.toFixed(1));
    setAttribute(this.element, 'data-sequence', sequence);
    setAttribute(this.element, 'data-captured', String(capturedAt));
    setAttribute(this.element, 'data-codec', codec);
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
    const { detailRows, LatencyBar } = this.#details;
    const { info, track, stats, size, reducedCause } = this;
    const slowCause = this.status.slow ? this.slowCause : null;
    const rows = detailRows({ info, track, fps: this.#fps, stats, size, slowCause, reducedCause });
    const cells = rows.flatMap(([term, value]) => [element('dt', '', term), element('dd', '', value)]);
    this.details.replaceChildren(...cells);
    if (!this.#latencyBar) {
      this.#latencyBar = new LatencyBar();
      this.details.before(this.#latencyBar.element);
    }
    setText(this.description, this.#latencyBar.render(this.journeys));
  }
}
