// All tiles at one instant, in the worker: in step with each other, or frozen, and then step by step through the last
// seconds. Decides for every frame that comes whether it is shown, waits, or is kept; fetched once the first picture is
// there.
//
// What waits is encoded, and stands in the history, whose bounds are its bounds; decoded is only what is due within
// `Picture.lead`, at most two of each tile.

import { CommonAge } from './common-age.js';
import { History, SPAN } from './history.js';

/** @typedef {import('./picture.js').Picture} Picture */
/** @typedef {import('./picture.js').Arrival} Arrival */

/**
 * What the page is told. `behind`: how old everything is, in milliseconds. `at`: the instant at which it is frozen, in
 * microseconds of the relay's clock.
 * @typedef {{ inStep: boolean, frozen: boolean, behind: number | null, at: number | null }} Mode
 */

export class Together {
  inStep = false;
  frozen = false;
  /** @type {History<Arrival>} */
  #history = new History();
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
   *   pictures: ReadonlyMap<number, Picture> }} world times in milliseconds
   */
  constructor(world) {
    this.world = world;
  }

  /** @returns {Mode} */
  get mode() {
    const { inStep, frozen } = this;
    return { inStep, frozen, behind: inStep ? this.#common.age : null, at: frozen ? this.#cursor : null };
  }

  /** Whether a tile is too late to be in step with the others. @param {number} id */
  leavesOut(id) {
    return this.inStep && this.#common.leavesOut(id);
  }

  /**
   * For how long a frame has to wait until its picture is as old as all others, in milliseconds.
   * @param {Picture} picture @param {Arrival['frame']} frame
   */
  early(picture, frame) {
    const offset = this.world.offset();
    const { age } = this.#common;
    // A tile that never showed anything shows the first that comes.
    if (!this.inStep || this.frozen || offset === null || age === null) return 0;
    if (this.#common.leavesOut(picture.id) || picture.capturedAt === null) return 0;
    return frame.capturedAt / 1000 - offset + age - this.world.now();
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
    // A frame for which there is no room is one less to show; those that wait already are older, and come first.
    if (!this.#history.add(picture.id, arrival, this.#instant())) picture.giveUp(arrival);
    else this.#place(picture, arrival);
  }

  /** @param {Picture} picture @param {Arrival} arrival */
  #place(picture, arrival) {
    const wait = this.early(picture, arrival.frame) - picture.lead;
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
    const cancel = this.world.after(wait, () => {
      this.#waiting.delete(arrival);
      const more = this.early(picture, arrival.frame) - picture.lead;
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
