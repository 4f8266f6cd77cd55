// The page's controls: toolbar, panel, keys, gestures, announcements. Loaded after the first picture, or if there is none to
// wait for, so that no picture waits for them.

import { chooseCodec, chosenCodec, decodesH264, hasLink, hasToken } from '../boot.js';
import { Announcer } from './announcer.js';
import { h264Obstacle, nextAfter, onlyFormat, wordsOf } from './codec-choice.js';
import { byId } from './dom.js';
import { enableDragging } from './drag.js';
import { FullScreen } from './fullscreen.js';
import { enableKeyboard } from './keyboard.js';
import { keepAwake } from './kiosk.js';
import { moveFrom } from './motion.js';
import { Panel } from './panel.js';
import { Playback } from './playback.js';
import { Scrubbers } from './scrubber.js';
import { isSignedIn, signIn } from './session.js';
import { mainCause } from './slow-cause.js';
import { offerToStay } from './stay-offer.js';
import { StatusLine } from './status-line.js';
import { REPEATED } from './status-messages.js';
import { Target } from './target.js';
import { fillToolbar, help } from './toolbar.js';
import { Zoom } from './zoom.js';

/** @typedef {import('./wall.js').Wall} Wall */

export class Controls {
  #announcer = new Announcer(byId('announcements'));
  #statusLine = new StatusLine(byId('status-line'));
  #panel = new Panel(byId('panel'), { signIn: signInHere, hasToken, hasLink });

  /** The viewer may be asked once whether to stay signed in. */
  #mayOffer;

  /** @param {Wall} wall @param {{ kiosk: boolean }} mode */
  constructor(wall, { kiosk }) {
    this.wall = wall;
    // A wall display has no viewer to ask.
    this.#mayOffer = !kiosk;
    wall.play = moveFrom;
    this.zoom = new Zoom({
      next: () => wall.step(1),
      previous: () => wall.step(-1),
      close: () => wall.enlarge(null),
      zoomed: (scale) => wall.zoom(scale),
    });
    this.fullScreen = new FullScreen(wall);
    this.target = new Target(wall);
    this.playback = new Playback(wall, {
      target: () => this.target.tile,
      announce: (text) => this.announce(text),
      showMessage: (text) => this.showMessage(text),
    });
    this.scrubbers = new Scrubbers(this.playback);
    const fullScreen = () => this.fullScreen.toggle();
    this.bar = fillToolbar(wall, this.playback, fullScreen);
    enableDragging(wall);
    enableKeyboard(wall, this.target, {
      help: () => void help(wall),
      fullScreen,
      nextCodec: () => this.#nextCodec(),
      playback: this.playback,
      announce: (text) => this.announce(text),
    });
    this.enlarged(wall.enlarged);
    // Only a token makes links.
    document.body.toggleAttribute('data-signed-in', isSignedIn());
    if (kiosk) keepAwake();
  }

  /** @param {import('./tile.js').Tile | null} tile */
  enlarged(tile) {
    this.zoom.attach(tile);
    // The enlarged tile covers the bar. The focus must stay visible.
    byId('bar').inert = tile !== null;
    if (!tile) this.fullScreen.closed();
  }

  /** @param {string} text */
  announce(text) {
    this.#announcer.announce(text);
  }

  #nextCodec() {
    const obstacle = h264Obstacle(decodesH264());
    if (obstacle) {
      this.showMessage(`Format: ${onlyFormat(obstacle)}`);
      return;
    }
    const codec = nextAfter(chosenCodec());
    chooseCodec(codec);
    this.showMessage(`Format: ${wordsOf(codec)}`);
  }

  /** Shows a text in the status line. @param {string} text */
  showMessage(text) {
    this.#statusLine.showMessage(text, this.wall.env.now());
  }

  /**
   * @param {import('./panel.js').PanelState} state @param {boolean} lost true while the relay is not connected
   * @param {number} now milliseconds
   */
  render(state, lost, now) {
    const instead = this.#panel.render(state);
    if (this.wall.list.hidden !== instead) {
      this.wall.list.hidden = instead;
      this.wall.arrange();
    }
    this.bar.render(lost, instead);
    if (this.#mayOffer && state.link.phase === 'open') {
      this.#mayOffer = false;
      offerToStay();
    }
    this.scrubbers.render(this.wall.tiles.values());
    this.#statusLine.render(this.#wallState(lost, now), now);
  }

  /**
   * Returns the input of the status line. Tiles that are starting are left out, because they may still stutter.
   * @param {boolean} lost @param {number} now milliseconds @returns {import('./status-messages.js').WallState}
   */
  #wallState(lost, now) {
    const all = lost ? [] : [...this.wall.tiles.values()];
    const tiles = all.filter((tile) => !tile.isStarting(now));
    const live = tiles.filter(({ status }) => status.state === 'live');
    const stuttering = live.filter(({ stats }) => (stats?.freezes.recent ?? 0) >= REPEATED);
    return {
      slow: mainCause(tiles.map(({ status, slowCause }) => (status.slow ? slowCause : null))),
      reduced: mainCause(tiles.map(({ status, reducedCause }) => (isFlowing(status) ? reducedCause : null))),
      live: live.length > 0,
      stuttering: stuttering.map(({ name }) => name),
    };
  }
}

/** Returns whether a tile shows live frames, or would if it were not paused. @param {import('./tile-status.js').TileStatus} status */
function isFlowing({ state }) {
  return state === 'live' || state === 'late' || state === 'paused';
}

/** @param {string} token @param {boolean} keep */
async function signInHere(token, keep) {
  await signIn(token, keep);
  document.body.toggleAttribute('data-signed-in', isSignedIn());
}
