// Playback of the wall as the page controls it: live, synced (`s`), or paused (Space), stepped and rewound. The worker carries
// it out.

import { post } from '../boot.js';
import { formatAge } from '../shared/age.js';
import { PauseBar } from './pause-bar.js';

/** @typedef {import('../shared/messages.js').Mode} Mode */
/** @typedef {import('./wall.js').Wall} Wall */

export class Playback {
  synced = false;
  paused = false;
  /** Frame age of all synced tiles, in milliseconds; `null` while unknown. @type {number | null} */
  behind = null;
  /** Time from the displayed instant to the pause, in seconds. */
  back = 0;
  #bar = new PauseBar({ step: (by) => this.step(by), resume: () => this.togglePause() });
  /** True once the status line has shown the frame age of the synced wall. */
  #reported = false;

  /**
   * @param {Wall} wall
   * @param {{ target: () => import('./tile.js').Tile | null, announce: (text: string) => void, showMessage: (text: string) => void }} env
   *   `target`: the tile that is stepped
   */
  constructor(wall, env) {
    this.wall = wall;
    this.env = env;
  }

  toggleSync() {
    if (this.#nothingToShow && !this.synced) return;
    this.synced = !this.synced;
    this.behind = null;
    this.#reported = false;
    if (!this.synced) this.env.showMessage('Sync off');
    this.#send();
  }

  togglePause() {
    if (this.#nothingToShow && !this.paused) return;
    this.paused = !this.paused;
    this.back = 0;
    this.wall.setPaused(this.paused);
    this.#bar.show(this.paused);
    this.env.announce(this.paused ? 'Paused. The left and right arrows step by one frame' : 'Back to live');
    this.#send();
  }

  /**
   * Steps to the next or previous frame of one tile; the others follow to that instant. Pauses first.
   * @param {number} by 1 or -1 @param {'frame' | 'second'} [unit]
   */
  step(by, unit = 'frame') {
    if (!this.paused) this.togglePause();
    if (this.paused) post({ type: 'step', by, unit, id: this.env.target()?.id ?? null });
  }

  /** Shows an earlier instant; pauses first. @param {number} back in seconds @param {number | null} id the dragged tile */
  seek(back, id) {
    if (!this.paused) this.togglePause();
    this.back = back;
    post({ type: 'seek', back, id });
  }

  /** @param {Mode | null} mode @param {number} ahead milliseconds that the relay's clock is ahead of ours */
  receive(mode, ahead) {
    // The worker sent this before it received the latest mode.
    if (!mode || mode.synced !== this.synced || mode.paused !== this.paused) return;
    this.behind = mode.behind;
    this.back = mode.back;
    if (mode.behind !== null && !this.#reported) {
      this.#reported = true;
      this.env.showMessage(this.text);
    }
    if (mode.at !== null) this.#bar.showMoment(mode.at / 1000 - ahead);
  }

  /** The state of a synced wall, for people. */
  get text() {
    return this.behind === null ? 'In sync' : `In sync, ${formatAge(this.behind)} behind live`;
  }

  get #nothingToShow() {
    return this.wall.tiles.size === 0;
  }

  #send() {
    post({ type: 'mode', synced: this.synced, paused: this.paused });
    this.wall.env.onChange();
  }
}
