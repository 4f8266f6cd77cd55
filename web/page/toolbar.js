// The bar above the wall: how many streams there are and how they are, and the few things to do with all of them.

import { copyText } from './clipboard.js';
import { CONNECTION_LOST } from './tile-status.js';
import { byId, iconButton, setAttribute, setText } from './dom.js';
import { linkWithLayout } from './layout-store.js';
import { chooseCodec, chosenCodec } from '../boot.js';
import { loadModule } from '../shared/lazy-module.js';

/** @typedef {import('./wall.js').Wall} Wall */

const FLASH = 2500;

/** @param {Wall} wall @param {import('./playback.js').Playback} playback */
export function fillToolbar(wall, playback) {
  const copy = iconButton('link', 'Copy a link to this wall', async () => {
    const done = await copyText(linkWithLayout(location.href, wall.layout));
    flash(done ? 'Link copied' : 'This browser does not let the page copy');
  });
  const sync = iconButton('sync', 'All tiles in sync', () => playback.toggleSync());
  const pause = iconButton('pause', 'Freeze all tiles', () => playback.togglePause());
  byId('actions').append(
    sync,
    pause,
    copy,
    iconButton('info', 'Details of all streams', () => wall.toggleDetails()),
    iconButton('full', 'Full screen', fullscreen),
    iconButton('help', 'Keys and gestures', () => void help(wall)),
  );
  return {
    /** @param {boolean} lost whether the link to the relay is */
    render(lost) {
      renderBar(wall, lost);
      setAttribute(sync, 'aria-pressed', String(playback.synced));
      setAttribute(pause, 'aria-pressed', String(playback.paused));
      setAttribute(sync, 'title', playback.synced ? playback.words : 'All tiles in sync');
    },
  };
}

/** States of a tile that the bar counts. @type {readonly import('./tile-status.js').TileState[]} */
const NOT_LIVE = ['late', 'offline', 'stale', 'ended'];

/** @param {Wall} wall @param {boolean} lost whether the link to the relay is */
function renderBar(wall, lost) {
  const states = [...wall.tiles.values()].map(({ status }) => status.state);
  const bad = states.filter((state) => NOT_LIVE.includes(state)).length;
  const count = states.length === 1 ? '1 stream' : `${states.length} streams`;
  const well = bad > 0 ? `${count}, ${bad} not live` : count;
  const summary = byId('summary');
  setAttribute(summary, 'data-link', lost ? 'lost' : 'up');
  setText(summary, states.length === 0 ? '' : lost ? CONNECTION_LOST : well);
  byId('actions').hidden = states.length === 0;
  const title = wall.enlarged ? `${wall.enlarged.name} · Fanlight` : 'Fanlight';
  if (document.title !== title) document.title = title;
}

export function fullscreen() {
  // Not everywhere allowed (an iPhone has none); then nothing happens.
  if (document.fullscreenElement) void document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

/** Fetched only when asked for: most people never do. @param {Wall} wall */
export async function help(wall) {
  const part = await loadModule(() => import('./help.js'), new URL('help.js', import.meta.url)).catch(() => null);
  if (!part) {
    flash('The help could not be loaded: the relay does not answer');
    return;
  }
  if (document.querySelector('dialog[open]')) return;
  part.showHelp({ resetLayout: () => wall.resetLayout(), codec: chosenCodec(), choose: chooseCodec });
}

/** @param {string} text */
function flash(text) {
  const place = byId('flash');
  place.textContent = text;
  setTimeout(() => (place.textContent = ''), FLASH);
}
