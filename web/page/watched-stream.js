// One stream that a viewer watches: all that is known about it, and its status, age and shape that follow. No DOM: the wall's tiles
// and the element for pages of others show it each in their own way.

import { formatAge, formatSpan, lateness, shownAge, START_UP } from '../shared/age.js';
import { areOfOneShape, USUAL_ASPECT } from '../shared/sizes.js';
import { statusOf } from './tile-status.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/messages.js').PlayerStats} PlayerStats */
/** @typedef {import('../shared/sizes.js').Size} Size */

/**
 * The age of the displayed picture, in milliseconds. `calm`: the number that people see; `null` unless the picture is moving.
 * `text`: it, or how long ago the picture was; may be empty.
 * @typedef {{ exact: number, calm: number | null, text: string, lateness: import('../shared/age.js').Lateness }} ShownAge
 */

export class WatchedStream {
  /** @type {StreamInfo | null} */
  info = null;
  /** @type {import('../shared/protocol.js').Track | null} */
  track = null;
  /** @type {import('./tile-status.js').TileInputs['reported']} */
  reported = null;
  /** @type {PlayerStats | null} */
  stats = null;
  /** Size of the displayed picture. @type {Size | null} */
  size = null;
  /** The first size, as long as others differ by rounding only. Then nothing on the page moves. @type {Size | null} */
  #shape = null;
  /** When a preview appeared, which no frame has replaced yet; `null` without one. In milliseconds. @type {number | null} */
  previewedAt = null;
  error = '';
  /** When the stream's publisher went, in microseconds of the relay's clock, and why; `null` while it is there. @type {{ since: number, reason: string } | null} */
  gone = null;
  /** True if the viewer paused it. */
  paused = false;
  /** True if it is too late to be synced with the others. */
  outOfSync = false;
  /** @type {number | null} */
  watchedSince = null;
  /** @type {import('./tile-status.js').TileStatus} */
  status = { state: 'waiting', text: '', slow: false };

  /** @param {string} name @param {number} id of the subscription */
  constructor(name, id) {
    this.name = name;
    this.id = id;
  }

  /** Name and status, for screen readers. */
  get label() {
    return `${this.name}: ${this.status.text || this.status.state}`;
  }

  /** Aspect ratio of the pictures as sent. */
  get pictureAspect() {
    const { width, height } = this.#shape ?? this.#listedShape ?? { width: USUAL_ASPECT, height: 1 };
    return Math.min(8, Math.max(1 / 8, width / height));
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
    this.shapeAs(size);
    this.size = size;
  }

  /** Pictures of another size are shown from now on. @param {Size} size */
  shapeAs(size) {
    const known = this.#shape ?? this.#listedShape;
    this.#shape = known && areOfOneShape(known, size) ? { width: known.width, height: known.height } : size;
  }

  /** The relay lists the stream. @param {StreamInfo} info */
  list(info) {
    this.info = info;
    this.gone = info.gone ? { since: info.since, reason: info.reason } : null;
  }

  /** Takes a message of the relay about this subscription. @param {import('../shared/protocol.js').FromRelay} message */
  receive(message) {
    if (message.type === 'track') this.track = message;
    else if (message.type === 'state') this.reported = message;
    else if (message.type === 'error') this.error = message.message || message.code;
  }

  /** Returns whether the stream was requested so recently that delays are expected. @param {number} now milliseconds */
  isStarting(now) {
    return this.watchedSince !== null && now - this.watchedSince < START_UP;
  }

  /** The stream is requested again: the displayed picture is old until a new frame arrives. @param {number} now */
  start(now) {
    this.watchedSince = now;
    this.reported = null;
    this.error = '';
    if (this.stats) this.stats = { ...this.stats, painted: 0 };
  }

  /** The stream is no longer requested. */
  suspend() {
    this.watchedSince = null;
    this.reported = null;
  }

  /**
   * Determines the status.
   * @param {boolean} linkUp @param {number} now milliseconds @param {number} ahead milliseconds that the relay's clock is ahead of ours
   * @returns {boolean} true if the state or its text changed
   */
  updateStatus(linkUp, now, ahead) {
    const { error, watchedSince, previewedAt, paused, outOfSync } = this;
    const gone = this.gone && { ...this.gone, since: this.gone.since / 1000 - ahead };
    const before = this.status;
    const reported = this.reported ?? this.info;
    this.status = statusOf({ linkUp, reported, error, gone, watchedSince, previewedAt, paused, outOfSync, picture: this.#picture() }, now);
    return before.state !== this.status.state || before.text !== this.status.text;
  }

  /** Returns the age to show; `null` without a picture or while the relay's clock is unknown. @param {number} now @returns {ShownAge | null} */
  ageAt(now) {
    const picture = this.#picture();
    if (!picture || !this.stats || this.stats.age === null) return null;
    const { calmAge, age } = this.stats;
    const exact = shownAge({ ...picture, ageAtPaint: age }, now);
    const calm = shownAge({ ...picture, ageAtPaint: calmAge ?? age }, now);
    if (this.status.state !== 'live' && this.status.state !== 'late') {
      // The age of a picture that was paused a moment ago says nothing, nor does that of a copy of an old picture.
      const isUntold = (this.status.state === 'paused' && exact < 1000) || this.status.state === 'frozen';
      return { exact, calm: null, text: isUntold ? '' : `${formatSpan(exact)} ago`, lateness: 'fine' };
    }
    // A slow camera's picture is old shortly before the next one, and not late.
    const isDue = now - picture.paintedAt > 2 * picture.interval;
    return { exact, calm, text: formatAge(calm), lateness: lateness(isDue ? calm : (calmAge ?? age)) };
  }

  /** Frame rate of the source; 0 while unknown. It is measured, so it is too low at first. */
  get fps() {
    const { track } = this;
    const listed = this.info?.tracks.find(({ rendition, codec }) => rendition === track?.rendition && codec === track.codec);
    return Math.max(listed?.fps ?? 0, this.track?.fps ?? 0);
  }

  #picture() {
    if (!this.stats || this.stats.sequence === '') return null;
    const { age, paintedAt, interval, painted } = this.stats;
    // A rate below one frame a second is measured over too short a time to say anything.
    const announced = this.fps >= 1 ? 1000 / this.fps : 0;
    // Before the relay's clock is known, a picture may have any age.
    return { ageAtPaint: age ?? Infinity, paintedAt, interval: Math.max(interval, announced), painted };
  }
}
