// The bar above the wall: how many streams there are and how they are, and the few things to do with all of them.

import { copyText } from './clipboard.js';
import { LINK_LOST } from './condition.js';
import { byId, iconButton, setAttribute, setText } from './element.js';
import { linkWithLayout } from './layout-store.js';
import { chooseCodec, chosenCodec } from '../boot.js';
import { loadPart } from '../shared/on-demand.js';

/** @typedef {import('./wall.js').Wall} Wall */

const FLASH = 2500;

/** @param {Wall} wall @param {import('./instant.js').Instant} instant */
export function fillBar(wall, instant) {
  const copy = iconButton('link', 'Copy a link to this wall', async () => {
    const done = await copyText(linkWithLayout(location.href, wall.layout));
    flash(done ? 'Link copied' : 'This browser does not let the page copy');
  });
  const step = iconButton('step', 'All tiles in step', () => instant.toggleStep());
  const freeze = iconButton('freeze', 'Freeze all tiles', () => instant.toggleFreeze());
  byId('actions').append(
    step,
    freeze,
    copy,
    iconButton('info', 'Details of all streams', () => wall.inform()),
    iconButton('full', 'Full screen', fullscreen),
    iconButton('help', 'Keys and gestures', () => void help(wall)),
  );
  return {
    /** @param {boolean} lost whether the link to the relay is */
    render(lost) {
      renderBar(wall, lost);
      setAttribute(step, 'aria-pressed', String(instant.inStep));
      setAttribute(freeze, 'aria-pressed', String(instant.frozen));
      setAttribute(step, 'title', instant.inStep ? instant.words : 'All tiles in step');
    },
  };
}

/** States of a tile that the bar counts. @type {readonly import('./condition.js').TileState[]} */
const NOT_LIVE = ['late', 'offline', 'stale', 'ended'];

/** @param {Wall} wall @param {boolean} lost whether the link to the relay is */
function renderBar(wall, lost) {
  const states = [...wall.tiles.values()].map(({ condition }) => condition.state);
  const bad = states.filter((state) => NOT_LIVE.includes(state)).length;
  const count = states.length === 1 ? '1 stream' : `${states.length} streams`;
  const well = bad > 0 ? `${count}, ${bad} not live` : count;
  const summary = byId('summary');
  setAttribute(summary, 'data-link', lost ? 'lost' : 'up');
  setText(summary, states.length === 0 ? '' : lost ? LINK_LOST : well);
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
  const part = await loadPart(() => import('./help.js'), new URL('help.js', import.meta.url)).catch(() => null);
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
