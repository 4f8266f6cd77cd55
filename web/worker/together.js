// All tiles at one instant, in the worker: in step with each other, or frozen, and then step by step through the last
// seconds. Decides for every frame that comes whether it is shown, waits, or is kept; fetched once the first picture is
// there.
//
// What waits is encoded, and stands in the history, whose bounds are its bounds; decoded is only what is due within
// `Picture.lead`, at most two of each tile.

import { CommonAge, MOST_BEHIND } from './common-age.js';
import { History, mostBytes, SPAN } from './history.js';

/** @typedef {import('./picture.js').Picture} Picture */
/** @typedef {import('./picture.js').Arrival} Arrival */

/**
 * What the page is told. `behind`: how old everything is, in milliseconds. `at`: the instant that is looked at, in
 * microseconds of the relay's clock; `back`: how long that is before the one at which it was frozen, in seconds.
 * @typedef {{ inStep: boolean, frozen: boolean, behind: number | null, at: number | null, back: number }} Mode
 */

/** A clip begins this long before the instant that is looked at, in microseconds: what led to it is part of it. */
const BEFORE_CURSOR = 5_000_000;
/** A frame that waits is looked at again this often, in milliseconds, because the relay's clock may turn out to be another. */
const LOOK_AGAIN = 250;

export class Together {
  inStep = false;
  frozen = false;
  /** @type {History<Arrival>} */
  #history;
  #common = new CommonAge();
  /** What waits until it is due, and how to call that off. @type {Map<Arrival, { picture: Picture, cancel: () => void }>} */
  #waiting = new Map();
  /** The newest of each tile since it was frozen: where it goes on. @type {Map<number, Arrival>} */
  #meanwhile = new Map();
  /** What a frozen tile was last told to show. @type {Map<number, Arrival>} */
  #asked = new Map();
  /** @type {number | null} */
  #frozenAt = null;
  /** @type {number | null} */
  #cursor = null;

  /**
   * @param {{ now: () => number, offset: () => number | null, after: (time: number, act: () => void) => () => void,
   *   pictures: ReadonlyMap<number, Picture>, memory?: number }} world times in milliseconds; `memory` in GiB
   */
  constructor(world) {
    this.world = world;
    this.#history = new History({ bytes: mostBytes(world.memory) });
  }

  /** @returns {Mode} */
  get mode() {
    const { inStep, frozen } = this;
    const back = Math.max(0, (this.#frozenAt ?? 0) - (this.#cursor ?? 0)) / 1e6;
    return { inStep, frozen, behind: inStep ? this.#common.age : null, at: frozen ? this.#cursor : null, back };
  }

  /** Whether a tile is too late to be in step with the others. @param {number} id */
  leavesOut(id) {
    return this.inStep && this.#common.leavesOut(id);
  }

  /**
   * For how long a frame has to wait until its picture is as old as all others, in milliseconds: no longer than
   * `MOST_BEHIND` since it arrived, whatever the clocks say.
   * @param {Picture} picture @param {Arrival} arrival
   */
  early(picture, { frame, arrivedAt }) {
    const offset = this.world.offset();
    const { age } = this.#common;
    // A tile that never showed anything shows the first that comes.
    if (!this.inStep || this.frozen || offset === null || age === null) return 0;
    if (this.#common.leavesOut(picture.id) || picture.capturedAt === null) return 0;
    const now = this.world.now();
    return Math.min(frame.capturedAt / 1000 - offset + age - now, arrivedAt + MOST_BEHIND - now);
  }

  /** @param {Picture} picture @param {Arrival} arrival */
  take(picture, arrival) {
    this.#measure(picture, arrival);
    if (this.frozen && picture.capturedAt !== null) {
      picture.accept(arrival);
      // It may lie here for long, which is no leg of its journey.
      this.#meanwhile.set(picture.id, { ...arrival, journey: null });
    } else this.#keep(picture, arrival);
  }

  /** Now and then: follows the ages of the tiles. */
  settle() {
    if (this.inStep && !this.frozen) this.#common.settle(this.world.now());
  }

  /** @param {boolean} inStep @param {boolean} frozen */
  change(inStep, frozen) {
    if (inStep !== this.inStep) this.#putInStep(inStep);
    if (frozen && !this.frozen) this.#freeze();
    else if (!frozen && this.frozen) this.#goOn();
  }

  /** By a frame on or back, of whichever tile has the next. @param {number} by 1 or -1 */
  step(by) {
    if (this.#cursor === null || this.#frozenAt === null) return;
    const instant = this.#history.step(this.#cursor, by);
    if (instant === null || instant < this.#frozenAt - SPAN) return;
    this.#cursor = instant;
    for (const id of this.#history.ids) this.#showAt(id, instant);
  }

  /** By so many seconds on or back. @param {number} seconds */
  jump(seconds) {
    if (this.#cursor !== null && this.#frozenAt !== null) this.seek((this.#frozenAt - this.#cursor) / 1e6 - seconds);
  }

  /**
   * To what was so many seconds before the moment at which it was frozen. While a tile is dragged it goes ahead alone, so
   * that it follows the finger; the others come when that is done.
   * @param {number} back in seconds @param {number | null} [id] the tile that is dragged
   */
  seek(back, id = null) {
    if (this.#frozenAt === null) return;
    const ids = id === null ? [...this.#history.ids] : [id];
    const begun = ids.map((id) => this.#history.beginning(id) ?? Infinity);
    const instant = Math.min(this.#frozenAt, Math.max(Math.min(...begun), this.#frozenAt - SPAN, this.#frozenAt - back * 1e6));
    // Between two frames a step back would lead to the one that is shown already.
    const shown = ids.map((id) => this.#history.at(id, instant)?.frame.capturedAt ?? -Infinity);
    this.#cursor = Math.max(...shown.filter((at) => at <= instant), this.#frozenAt - SPAN);
    for (const id of ids) this.#showAt(id, instant);
  }

  /**
   * Returns what can be saved of a tile: the last 30 s, or, where the wall was dragged back, from 5 s before the instant
   * that is looked at. `cursor` is that instant, `cut` whether there was room for less than that.
   * @param {number} id @returns {{ frames: Arrival['frame'][], cursor: number, cut: boolean }}
   */
  clip(id) {
    const looksBack = this.#cursor !== null && this.#frozenAt !== null && this.#cursor < this.#frozenAt;
    const cursor = looksBack ? (this.#cursor ?? Infinity) : Infinity;
    const frames = this.#history.since(id, looksBack ? cursor - BEFORE_CURSOR : -Infinity).map(({ frame }) => frame);
    return { frames, cursor, cut: this.#history.wasCut(id) };
  }

  /** @param {number} id */
  forget(id) {
    for (const [arrival, { picture, cancel }] of this.#waiting) {
      if (picture.id !== id) continue;
      cancel();
      this.#waiting.delete(arrival);
    }
    this.#history.forget(id);
    this.#common.forget(id);
    this.#meanwhile.delete(id);
    this.#asked.delete(id);
  }

  /** What the wall shows. Younger frames are still to be shown. */
  #instant() {
    const offset = this.world.offset();
    const { age } = this.#common;
    if (!this.inStep || offset === null || age === null) return Infinity;
    return (this.world.now() + offset - age) * 1000;
  }

  /** @param {Picture} picture @param {Arrival} arrival */
  #measure(picture, { frame, first }) {
    const offset = this.world.offset();
    // The first one is the newest that the relay held, and as old as it happens to be.
    if (offset === null || first) return;
    const now = this.world.now();
    this.#common.add(picture.id, now + offset - frame.capturedAt / 1000 + picture.lead, now);
  }

  /** @param {Picture} picture @param {Arrival} arrival */
  #keep(picture, arrival) {
    const kept = this.#history.add(picture.id, arrival, this.#instant()) || this.#keepAll(picture.id, arrival);
    // A frame for which there is no room is one less to show; those that wait already are older, and come first. A delta
    // is needed all the same.
    if (!kept && arrival.frame.keyframe) picture.giveUp(arrival);
    else this.#place(picture, arrival);
  }

  /** With all of its GOP, of which the history has nothing yet. @param {number} id @param {Arrival} arrival */
  #keepAll(id, arrival) {
    if (!arrival.gop || this.#history.newest(id)?.gop === arrival.gop) return false;
    const path = arrival.gop.path(null, arrival) ?? [];
    return path.length > 0 && path.every((each) => this.#history.add(id, each, this.#instant()));
  }

  /** @param {Picture} picture @param {Arrival} arrival */
  #place(picture, arrival) {
    const wait = this.early(picture, arrival) - picture.lead;
    if (wait <= 0) {
      picture.show(arrival);
      return;
    }
    // To wait for the others must not look like a slow tab; one whose decoders are busy is slow.
    if (!picture.busy) picture.accept(arrival);
    this.#wait(picture, arrival, wait);
  }

  /** @param {Picture} picture @param {Arrival} arrival @param {number} wait */
  #wait(picture, arrival, wait) {
    const cancel = this.world.after(Math.min(wait, LOOK_AGAIN), () => {
      this.#waiting.delete(arrival);
      const more = this.early(picture, arrival) - picture.lead;
      if (more > 1) this.#wait(picture, arrival, more);
      else picture.show(arrival, this.world.now() - arrival.arrivedAt);
    });
    this.#waiting.set(arrival, { picture, cancel });
  }

  /** Nothing waits any longer. */
  #letGo() {
    for (const [arrival, { picture, cancel }] of this.#waiting) {
      cancel();
      picture.accept(arrival);
    }
    this.#waiting.clear();
  }

  /** @param {boolean} inStep */
  #putInStep(inStep) {
    this.inStep = inStep;
    this.#common.begin();
    this.settle();
    for (const picture of this.world.pictures.values()) picture.pause();
    if (inStep || this.frozen) return;
    this.#letGo();
    for (const id of this.#history.ids) this.#showAt(id, Infinity);
    this.#asked.clear();
  }

  #freeze() {
    this.frozen = true;
    this.#letGo();
    const shown = [...this.world.pictures.values()].map(({ capturedAt }) => capturedAt ?? -Infinity);
    const newest = Math.max(...shown);
    this.#frozenAt = this.#cursor = Number.isFinite(newest) ? newest : null;
    for (const picture of this.world.pictures.values()) picture.freeze(true);
  }

  #goOn() {
    this.frozen = false;
    this.#asked.clear();
    this.#frozenAt = this.#cursor = null;
    this.#common.begin();
    this.settle();
    for (const picture of this.world.pictures.values()) picture.freeze(false);
    for (const id of this.#history.ids) if (!this.#meanwhile.has(id)) this.#showAt(id, Infinity);
    for (const [id, arrival] of this.#meanwhile) {
      const picture = this.world.pictures.get(id);
      if (picture) this.#keep(picture, arrival);
    }
    this.#meanwhile.clear();
    this.#asked.clear();
  }

  /** @param {number} id @param {number} instant */
  #showAt(id, instant) {
    const picture = this.world.pictures.get(id);
    const kept = this.#history.at(id, instant);
    const shown = this.#asked.get(id)?.frame.capturedAt ?? picture?.capturedAt;
    if (!picture || !kept || kept.frame.capturedAt === shown) return;
    this.#asked.set(id, kept);
    // Its journey was told already, or is over: nobody measures how long it lay here.
    picture.show({ ...kept, journey: null });
  }
}
