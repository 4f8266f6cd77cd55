// The toolbar above the wall: number and state of the cameras, and actions for all of them.

import { chooseCodec, chosenCodec, decodesH264 } from '../boot.js';
import { loadModule } from '../shared/lazy-module.js';
import { copyText } from './clipboard.js';
import { h264Obstacle } from './codec-choice.js';
import { byId, iconButton, setAttribute, setLabel, setText } from './dom.js';
import { linkWithLayout } from './layout-store.js';
import { canStaySignedIn, isSignedIn, signOut, staySignedIn } from './session.js';
import { CONNECTION_LOST } from './tile-status.js';

/** @typedef {import('./wall.js').Wall} Wall */

const FLASH = 2500;

/** @param {Wall} wall @param {import('./playback.js').Playback} playback @param {() => void} fullScreen */
export function fillToolbar(wall, playback, fullScreen) {
  const copy = iconButton('link', 'Copy link to this wall', async () => {
    const done = await copyText(linkWithLayout(location.href, wall.layout));
    flash(done ? 'Link copied' : 'Copying blocked: copy the address bar instead');
  });
  const sync = iconButton('sync', 'Sync all cameras', () => playback.toggleSync());
  const pause = iconButton('pause', 'Pause all cameras', () => playback.togglePause());
  const dismiss = iconButton('close', 'Dismiss all cameras that are gone', () => wall.dismissGone());
  dismiss.id = 'dismiss-gone';
  const details = iconButton('info', 'Details of all cameras', () => wall.toggleDetails());
  const about = iconButton('help', 'Keyboard and gestures', () => void help(wall));
  about.id = 'help';
  about.setAttribute('aria-haspopup', 'dialog');
  about.setAttribute('aria-expanded', 'false');
  const full = iconButton('full', 'Full screen', fullScreen);
  // Safari on an iPhone has no full screen for pages.
  full.hidden = !document.fullscreenEnabled;
  byId('actions').append(sync, pause, copy, details, full, about, dismiss);
  return {
    /** @param {boolean} lost true while the relay is not connected @param {boolean} covered a panel is in place of the wall */
    render(lost, covered) {
      renderBar(wall, lost, covered);
      setAttribute(sync, 'aria-pressed', String(playback.synced));
      setAttribute(pause, 'aria-pressed', String(playback.paused));
      setLabel(sync, playback.synced ? playback.text : 'Sync all cameras');
      // A single one has a button of its own.
      dismiss.hidden = wall.gone.length < 2;
      setLabel(dismiss, `Dismiss ${wall.gone.length} gone`);
      setAttribute(details, 'aria-expanded', String(wall.detailsOpen));
    },
  };
}

/** States that count as offline in the summary. @type {readonly import('./tile-status.js').TileState[]} */
const OFFLINE = ['offline', 'stale', 'ended', 'gone'];

/** @param {Wall} wall @param {boolean} lost @param {boolean} covered */
function renderBar(wall, lost, covered) {
  const states = [...wall.tiles.values()].map(({ status }) => status.state);
  const count = states.length === 1 ? '1 camera' : `${states.length} cameras`;
  const offline = states.filter((state) => OFFLINE.includes(state)).length;
  /** @param {string} state */
  const part = (state, number = states.filter((other) => other === state).length) => (number > 0 ? [`${number} ${state}`] : []);
  const text = [count, ...part('offline', offline), ...part('frozen'), ...part('late')].join(', ');
  const summary = byId('summary');
  setAttribute(summary, 'data-link', lost ? 'lost' : 'up');
  setText(summary, states.length === 0 || covered ? '' : lost ? CONNECTION_LOST : text);
  byId('actions').hidden = states.length === 0;
  const title = wall.enlarged ? `${wall.enlarged.name} · Fanlight` : 'Fanlight';
  if (document.title !== title) document.title = title;
}

/** Opens the help. Loaded on demand, because most people never open it. @param {Wall} wall */
export async function help(wall) {
  const module = await loadModule(() => import('./help.js'), new URL('help.js', import.meta.url)).catch(() => null);
  if (!module) {
    flash('Could not load the help: no answer from the relay');
    return;
  }
  if (document.querySelector('dialog[open]')) return;
  const dialog = module.showHelp({
    resetLayout: () => wall.resetLayout(),
    codec: chosenCodec(),
    choose: chooseCodec,
    obstacle: h264Obstacle(decodesH264()),
    signOut: isSignedIn() ? signOut : null,
    staySignedIn: canStaySignedIn() ? staySignedIn : null,
  });
  byId('help').setAttribute('aria-expanded', 'true');
  dialog.addEventListener('close', () => byId('help').setAttribute('aria-expanded', 'false'));
}

/** @param {string} text */
function flash(text) {
  const place = byId('flash');
  place.textContent = text;
  setTimeout(() => (place.textContent = ''), FLASH);
}
