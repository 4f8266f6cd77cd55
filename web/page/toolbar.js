// The toolbar above the wall: number and state of the cameras, and actions for all of them.

import { chooseCodec, chosenCodec } from '../boot.js';
import { loadModule } from '../shared/lazy-module.js';
import { copyText } from './clipboard.js';
import { byId, iconButton, setAttribute, setText } from './dom.js';
import { linkWithLayout } from './layout-store.js';
import { CONNECTION_LOST } from './tile-status.js';

/** @typedef {import('./wall.js').Wall} Wall */

const FLASH = 2500;

/** @param {Wall} wall @param {import('./playback.js').Playback} playback */
export function fillToolbar(wall, playback) {
  const copy = iconButton('link', 'Copy link to this wall', async () => {
    const done = await copyText(linkWithLayout(location.href, wall.layout));
    flash(done ? 'Link copied' : 'Copying blocked: copy the address bar instead');
  });
  const sync = iconButton('sync', 'Sync all cameras', () => playback.toggleSync());
  const pause = iconButton('pause', 'Pause all cameras', () => playback.togglePause());
  byId('actions').append(
    sync,
    pause,
    copy,
    iconButton('info', 'Details of all cameras', () => wall.toggleDetails()),
    iconButton('full', 'Full screen', fullscreen),
    iconButton('help', 'Keyboard and gestures', () => void help(wall)),
  );
  return {
    /** @param {boolean} lost true while the relay is not connected */
    render(lost) {
      renderBar(wall, lost);
      setAttribute(sync, 'aria-pressed', String(playback.synced));
      setAttribute(pause, 'aria-pressed', String(playback.paused));
      setAttribute(sync, 'title', playback.synced ? playback.text : 'Sync all cameras');
    },
  };
}

/** States that count as offline in the summary. @type {readonly import('./tile-status.js').TileState[]} */
const OFFLINE = ['offline', 'stale', 'ended'];

/** @param {Wall} wall @param {boolean} lost true while the relay is not connected */
function renderBar(wall, lost) {
  const states = [...wall.tiles.values()].map(({ status }) => status.state);
  const count = states.length === 1 ? '1 camera' : `${states.length} cameras`;
  const offline = states.filter((state) => OFFLINE.includes(state)).length;
  /** @param {string} state */
  const part = (state, number = states.filter((other) => other === state).length) => (number > 0 ? [`${number} ${state}`] : []);
  const text = [count, ...part('offline', offline), ...part('frozen'), ...part('late')].join(', ');
  const summary = byId('summary');
  setAttribute(summary, 'data-link', lost ? 'lost' : 'up');
  setText(summary, states.length === 0 ? '' : lost ? CONNECTION_LOST : text);
  byId('actions').hidden = states.length === 0;
  const title = wall.enlarged ? `${wall.enlarged.name} · Fanlight` : 'Fanlight';
  if (document.title !== title) document.title = title;
}

export function fullscreen() {
  // Not every browser allows it (Safari on an iPhone does not). Then nothing happens.
  if (document.fullscreenElement) void document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

/** Opens the help. Loaded on demand, because most people never open it. @param {Wall} wall */
export async function help(wall) {
  const module = await loadModule(() => import('./help.js'), new URL('help.js', import.meta.url)).catch(() => null);
  if (!module) {
    flash('Could not load the help: no answer from the relay');
    return;
  }
  if (document.querySelector('dialog[open]')) return;
  module.showHelp({ resetLayout: () => wall.resetLayout(), codec: chosenCodec(), choose: chooseCodec });
}

/** @param {string} text */
function flash(text) {
  const place = byId('flash');
  place.textContent = text;
  setTimeout(() => (place.textContent = ''), FLASH);
}
