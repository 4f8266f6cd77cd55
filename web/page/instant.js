// Which instant the wall shows: each tile the newest it has, all of them the same one (`s`), or one that is frozen (space),
// stepped through and dragged back. The worker does it; this is the page's side: what was asked for, and how it is told.

import { formatAge } from '../shared/age.js';
import { FrozenBar } from './frozen-bar.js';
import { tell } from '../boot.js';

/** @typedef {import('../worker/together.js').Mode} Mode */
/** @typedef {import('./wall.js').Wall} Wall */

export class Instant {
  inStep = false;
  frozen = false;
  /** How old all tiles in step are, in milliseconds; `null` while nobody knows. @type {number | null} */
  behind = null;
  /** How long what is looked at was before the moment at which the wall was frozen, in seconds. */
  back = 0;
  #bar = new FrozenBar({ step: (by) => this.step(by), goOn: () => this.toggleFreeze() });
  /** Whether it was told how far behind the wall in step is. */
  #told = false;

  /** @param {Wall} wall @param {{ say: (text: string) => void, tellOnce: (text: string) => void }} world */
  constructor(wall, world) {
    this.wall = wall;
    this.world = world;
  }

  toggleStep() {
    if (this.#nothingToShow && !this.inStep) return;
    this.inStep = !this.inStep;
    this.behind = null;
    this.#told = false;
    if (!this.inStep) this.world.tellOnce('No longer in step');
    this.#ask();
  }

  toggleFreeze() {
    if (this.#nothingToShow && !this.frozen) return;
    this.frozen = !this.frozen;
    this.back = 0;
    this.wall.hold(this.frozen);
    this.#bar.show(this.frozen);
    this.world.say(this.frozen ? 'Frozen. The left and right arrow step by a frame' : 'Live again');
    this.#ask();
  }

  /** @param {number} by 1 or -1 @param {'frame' | 'second'} [unit] */
  step(by, unit = 'frame') {
    if (this.frozen) tell({ type: 'step', by, unit });
  }

  /** To so many seconds ago; freezes. @param {number} back @param {number | null} id the tile that is being dragged */
  seek(back, id) {
    if (!this.frozen) this.toggleFreeze();
    this.back = back;
    tell({ type: 'seek', back, id });
  }

  /** @param {Mode | null} mode @param {number} ahead milliseconds that the relay's clock is ahead of ours */
  hear(mode, ahead) {
    // What was said before the worker knew of the last change is of yesterday.
    if (!mode || mode.inStep !== this.inStep || mode.frozen !== this.frozen) return;
    this.behind = mode.behind;
    this.back = mode.back;
    if (mode.behind !== null && !this.#told) {
      this.#told = true;
      this.world.tellOnce(this.words);
    }
    if (mode.at !== null) this.#bar.showMoment(mode.at / 1000 - ahead);
  }

  /** How the wall is, where it is in step. */
  get words() {
    return this.behind === null ? 'In step' : `In step, ${formatAge(this.behind)} behind`;
  }

  get #nothingToShow() {
    return this.wall.tiles.size === 0;
  }

  #ask() {
    tell({ type: 'mode', inStep: this.inStep, frozen: this.frozen });
    this.wall.world.onChange();
  }
}
