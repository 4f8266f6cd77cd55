// Everything about the page that is not pictures: the bar, the panel, keys, gestures, announcements. Loaded once the
// first picture is there, or when there is none to wait for, so that none of it stands in a picture's way.

import { Announcer } from './announcer.js';
import { fillBar, fullscreen, help } from './bar.js';
import { worstOf } from '../shared/blame.js';
import { nextAfter, wordsOf } from './codec-choice.js';
import { enableDragging } from './drag.js';
import { byId } from './element.js';
import { enableKeyboard } from './keyboard.js';
import { keepAwake } from './kiosk.js';
import { Instant } from './instant.js';
import { chooseCodec, chosenCodec, hasToken, useToken } from '../boot.js';
import { moveFrom } from './motion.js';
import { REPEATED } from './news.js';
import { Panel } from './panel.js';
import { QuietLine } from './quiet-line.js';
import { Scrubbers } from './scrubber.js';
import { Zoom } from './zoom.js';

/** @typedef {import('./wall.js').Wall} Wall */

export class Controls {
  #announcer = new Announcer(byId('announcements'));
  #line = new QuietLine(byId('quiet-line'));
  #panel = new Panel(byId('panel'), { useToken, hasToken });

  /** @param {Wall} wall @param {{ kiosk: boolean }} mode */
  constructor(wall, { kiosk }) {
    this.wall = wall;
    wall.play = moveFrom;
    this.zoom = new Zoom({
      next: () => wall.step(1),
      previous: () => wall.step(-1),
      close: () => wall.enlarge(null),
      zoomed: (scale) => wall.zoom(scale),
    });
    this.zoom.attach(wall.enlarged);
    this.instant = new Instant(wall, { say: (text) => this.say(text), tellOnce: (text) => this.tellOnce(text) });
    this.scrubbers = new Scrubbers(this.instant);
    this.bar = fillBar(wall, this.instant);
    enableDragging(wall);
    enableKeyboard(wall, { help: () => void help(wall), fullscreen, codec: () => this.#nextCodec(), instant: this.instant });
    if (kiosk) keepAwake();
  }

  /** @param {string} text */
  say(text) {
    this.#announcer.say(text);
  }

  #nextCodec() {
    const codec = nextAfter(chosenCodec());
    chooseCodec(codec);
    this.tellOnce(`Pictures come as ${wordsOf(codec)}`);
  }

  /** In the wall's one line. @param {string} text */
  tellOnce(text) {
    this.#line.tellOnce(text, this.wall.world.now());
  }

  /**
   * @param {import('./panel.js').PanelState} state @param {boolean} lost whether the link to the relay is
   * @param {number} now milliseconds
   */
  render(state, lost, now) {
    const instead = this.#panel.render(state);
    if (this.wall.list.hidden !== instead) {
      this.wall.list.hidden = instead;
      this.wall.arrange();
    }
    this.bar.render(lost);
    this.scrubbers.render(this.wall.tiles.values());
    this.#line.render(this.#known(lost, now), now);
  }

  /**
   * What the wall's one line may have to tell. Tiles that are starting are left out: they may still stumble.
   * @param {boolean} lost @param {number} now milliseconds @returns {import('./news.js').Known}
   */
  #known(lost, now) {
    const all = lost ? [] : [...this.wall.tiles.values()];
    const tiles = all.filter((tile) => !tile.isStarting(now));
    const live = tiles.filter(({ condition }) => condition.state === 'live');
    const freezing = live.filter(({ stats }) => (stats?.freezes.recent ?? 0) >= REPEATED);
    return {
      slow: worstOf(tiles.map(({ condition, slowBy }) => (condition.slow ? slowBy : null))),
      reduced: worstOf(tiles.map(({ condition, reducedBy }) => (flows(condition) ? reducedBy : null))),
      live: live.length > 0,
      freezing: freezing.map(({ name }) => name),
    };
  }
}

/** Whether a tile shows pictures as they come, or would if it were not held. @param {import('./condition.js').Condition} condition */
function flows({ state }) {
  return state === 'live' || state === 'late' || state === 'frozen';
}
