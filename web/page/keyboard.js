// Keyboard control. Every key has a button or a gesture with the same effect. help.js lists the keys.

/** @typedef {import('./wall.js').Wall} Wall */
/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {{ x: number, y: number }} Direction */

/** @type {Readonly<Record<string, Direction>>} */
const ARROWS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** @param {Wall} wall @param {{ help: () => void, fullscreen: () => void, nextCodec: () => void, playback: import('./playback.js').Playback }} actions */
export function enableKeyboard(wall, actions) {
  /** @type {Readonly<Record<string, () => void>>} */
  const keys = {
    Escape: () => wall.enlarge(null),
    i: () => wall.toggleDetails(wall.enlarged ?? undefined),
    f: actions.fullscreen,
    r: () => withTile(wall, (tile) => wall.rotate(tile)),
    l: () => withTile(wall, (tile) => wall.resize(tile)),
    p: () => withTile(wall, (tile) => wall.save(tile, 'picture')),
    v: () => withTile(wall, (tile) => wall.save(tile, 'clip')),
    c: actions.nextCodec,
    '?': actions.help,
    s: () => actions.playback.toggleSync(),
    ' ': () => actions.playback.togglePause(),
  };
  addEventListener('keydown', (event) => {
    if (isForElement(event)) return;
    const arrow = ARROWS[event.key];
    const by = actions.playback.paused ? (arrow?.x ?? 0) : 0;
    if (by !== 0) {
      event.preventDefault();
      actions.playback.step(by, event.shiftKey ? 'second' : 'frame');
      return;
    }
    const act = arrow ? () => pressArrow(wall, arrow, event.shiftKey) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    // A held arrow key moves on from tile to tile. Other keys must not toggle repeatedly.
    if (arrow || !event.repeat) act();
  });
  // Browsers click the focused button on Space; on a tile that key pauses the wall.
  wall.list.addEventListener('keyup', (event) => {
    if (event.key === ' ' && event.target instanceof Element && event.target.matches('.view')) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event */
function isForElement({ key, ctrlKey, altKey, metaKey, target }) {
  if (ctrlKey || altKey || metaKey) return true;
  if (!(target instanceof Element)) return false;
  if (key === ' ' && target.closest('button:not(.view)')) return true;
  return target.closest('input, textarea, select, dialog') !== null;
}

/** @param {Wall} wall @param {Direction} arrow @param {boolean} move */
function pressArrow(wall, arrow, move) {
  if (wall.enlarged) wall.step(arrow.x);
  else if (move) moveTile(wall, arrow.x || arrow.y);
  else focusNext(wall, arrow);
}

/** @param {Wall} wall @param {number} by */
function moveTile(wall, by) {
  const tile = focusedTile(wall);
  if (tile) wall.move(tile, [...wall.tiles.values()].indexOf(tile) + by);
}

/** Focuses the nearest tile in a direction. @param {Wall} wall @param {Direction} direction */
function focusNext(wall, direction) {
  const from = focusedTile(wall);
  const tile = from ? neighbour(wall, from, direction) : [...wall.tiles.values()][0];
  tile?.view.focus();
  tile?.view.scrollIntoView({ block: 'nearest' });
}

/** @param {Wall} wall @param {Tile} from @param {Direction} direction */
function neighbour(wall, from, direction) {
  const here = centre(wall, from);
  /** @type {Tile | null} */
  let best = null;
  let least = Infinity;
  for (const tile of wall.tiles.values()) {
    const there = centre(wall, tile);
    const x = there.x - here.x;
    const y = there.y - here.y;
    const forward = x * direction.x + y * direction.y;
    // Sideways distance counts double: tiles of the same row come before a nearer one in another row.
    const distance = forward + 2 * Math.abs(x * direction.y + y * direction.x);
    if (tile === from || forward <= 1 || distance >= least) continue;
    best = tile;
    least = distance;
  }
  return best;
}

/** @param {Wall} wall @param {Tile} tile */
function centre(wall, tile) {
  const { x, y, width, height } = wall.boxOf(tile) ?? { x: 0, y: 0, width: 0, height: 0 };
  return { x: x + width / 2, y: y + height / 2 };
}

/** @param {Wall} wall @param {(tile: Tile) => void} act */
function withTile(wall, act) {
  const only = wall.tiles.size === 1 ? [...wall.tiles.values()][0] : null;
  const tile = wall.enlarged ?? focusedTile(wall) ?? hoveredTile(wall) ?? only;
  if (tile) act(tile);
}

/** @param {Wall} wall */
function focusedTile(wall) {
  return [...wall.tiles.values()].find(({ element }) => element.contains(document.activeElement)) ?? null;
}

/** @param {Wall} wall */
function hoveredTile(wall) {
  return [...wall.tiles.values()].find(({ element }) => element.matches(':hover')) ?? null;
}
