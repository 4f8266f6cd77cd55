// One tile: a stream's picture, name, age and status. It asks the wall for everything that concerns other tiles.

import { decodesH264, forget, idOf, paintsInWorker, post } from '../boot.js';
import { formatAge, formatSpan, lateness, shownAge, START_UP } from '../shared/age.js';
import { LazyModule, loadModule } from '../shared/lazy-module.js';
import { areOfOneShape, USUAL_ASPECT } from '../shared/sizes.js';
import { element, iconButton, setAttribute, setText } from './dom.js';
import { icon } from './icons.js';
import { causeOf, moreCertain } from './slow-cause.js';
import { statusOf } from './tile-status.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/messages.js').PlayerStats} PlayerStats */
/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */
/** @typedef {import('../shared/sizes.js').Size} Size */

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
  /** When the stream's publisher went, in microseconds of the relay's clock, and why; `null` while it is there. @type {{ since: number, reason: string } | null} */
  gone = null;
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
  /** The age in the tile's caption, in milliseconds; `null` unless the picture is moving. @type {number | null} */
  #calmAge = null;
  /** @type {import('./latency-bar.js').LatencyBar | null} */
  #latencyBar = null;

  /** @param {string} name @param {TileActions} actions */
  constructor(name, actions) {
    this.name = name;
    this.id = idOf(name);
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
    const share = iconButton('link', 'Share', () => actions.share(this));
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
    // The pixels of a JPEG are square. A camera's own H.264 may have other ones, and then its listed size has another shape.
    const square = known.filter(({ codec }) => codec === 'jpeg');
    return (square.length > 0 ? square : known).sort((a, b) => b.width - a.width)[0] ?? null;
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
   * @param {boolean} linkUp @param {number} now milliseconds @param {number} ahead milliseconds that the relay's clock is ahead of ours
   * @returns {boolean} true if the state or its text changed
   */
  render(linkUp, now, ahead) {
    const { error, watchedSince, paused, outOfSync } = this;
    const gone = this.gone && { ...this.gone, since: this.gone.since / 1000 - ahead };
    const before = this.status;
    const reported = this.reported ?? this.info;
    this.status = statusOf({ linkUp, reported, error, gone, watchedSince, paused, outOfSync, picture: this.#picture() }, now);
    const { state, text } = this.status;
    setAttribute(this.element, 'data-state', state);
    this.element.classList.toggle('pictured', this.size !== null);
    this.element.classList.toggle('gone', gone !== null);
    this.element.classList.toggle('starting', this.isStarting(now));
    setText(this.statusText, text);
    setText(this.placeholderText, text);
    this.#renderAge(now);
    if (this.detailsOpen) this.#renderDetails();
    else this.#clearJourneys();
    if (this.element.matches(':hover, :focus-within, .enlarged')) this.#renderSummary();
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
    // A rate below one frame a second is measured over too short a time to say anything.
    const announced = this.#fps >= 1 ? 1000 / this.#fps : 0;
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
    this.#calmAge = null;
    if (!picture || !this.stats || this.stats.age === null) {
      setText(this.age, '');
      return;
    }
    const { calmAge, age, sequence, capturedAt, codec } = this.stats;
    const exact = shownAge({ ...picture, ageAtPaint: age }, now);
    const calm = shownAge({ ...picture, ageAtPaint: calmAge ?? age }, now);
    const moving = this.status.state === 'live' || this.status.state === 'late';
    if (moving) this.#calmAge = calm;
    // The age of a picture that was paused a moment ago says nothing, nor does that of a copy of an old picture.
    const ago = (this.status.state === 'paused' && exact < 1000) || this.status.state === 'frozen' ? '' : `${formatSpan(exact)} ago`;
    setText(this.age, moving ? formatAge(calm) : ago);
    // A slow camera's picture is old shortly before the next one, and not late.
    const isDue = now - picture.paintedAt > 2 * picture.interval;
    setAttribute(this.age, 'data-lateness', moving ? lateness(isDue ? calm : (calmAge ?? age)) : 'fine');
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
    return { info, track, fps: this.#fps, stats, size, slowCause: this.status.slow ? this.slowCause : null, reducedCause, decodesH264: decodesH264() };
  }
}
