// Everything about the page that is not pictures: the bar, the panel, keys, gestures, announcements. Loaded once the
// first picture is there, or when there is none to wait for, so that none of it stands in a picture's way.

import { Announcer } from './announcer.js';
import { fillBar, fullscreen, help, renderBar } from './bar.js';
import { enableDragging } from './drag.js';
import { byId } from './element.js';
import { enableKeyboard } from './keyboard.js';
import { keepAwake } from './kiosk.js';
import { hasToken, useToken } from './live.js';
import { moveFrom } from './motion.js';
import { Panel } from './panel.js';
import { Zoom } from './zoom.js';

/** @typedef {import('./wall.js').Wall} Wall */

export class Controls {
  #announcer = new Announcer(byId('announcements'));
  #panel = new Panel(byId('panel'), { useToken, hasToken });

  /** @param {Wall} wall @param {{ kiosk: boolean }} mode */
  constructor(wall, { kiosk }) {
    this.wall = wall;
    wall.play = moveFrom;
    this.zoom = new Zoom({ next: () => wall.step(1), previous: () => wall.step(-1), close: () => wall.enlarge(null) });
    this.zoom.attach(wall.enlarged);
    fillBar(wall);
    enableDragging(wall);
    enableKeyboard(wall, { help: () => void help(wall), fullscreen });
    if (kiosk) keepAwake();
  }

  /** @param {string} text */
  say(text) {
    this.#announcer.say(text);
  }

  /** @param {import('./panel.js').PanelState} state @param {boolean} lost whether the link to the relay is */
  render(state, lost) {
    const instead = this.#panel.render(state);
    if (this.wall.list.hidden !== instead) {
      this.wall.list.hidden = instead;
      this.wall.arrange();
    }
    renderBar(this.wall, lost);
  }
}
