// Keyboard control. Every key has a button or a gesture with the same effect. help.js lists the keys.

/** @typedef {import('./wall.js').Wall} Wall */
/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {import('./target.js').Target} Target */
/** @typedef {{ x: number, y: number }} Direction */

/** @type {Readonly<Record<string, Direction>>} */
const ARROWS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** Keys that move a slider or scroll a text. */
const MOVING = [...Object.keys(ARROWS), 'Home', 'End', 'PageUp', 'PageDown'];

/**
 * @typedef {{ help: () => void, fullScreen: () => void, nextCodec: () => void, announce: (text: string) => void,
 *   playback: import('./playback.js').Playback }} Actions
 */

/** @param {Wall} wall @param {Target} target @param {Actions} actions */
export function enableKeyboard(wall, target, actions) {
  const { playback } = actions;
  const withTile = (/** @type {(tile: Tile) => void} */ act) => target.tile && act(target.tile);
  /** @type {Readonly<Record<string, () => void>>} */
  const keys = {
    Enter: () => withTile((tile) => wall.activate(tile)),
    Escape: () => wall.enlarge(null),
    i: () => toggleDetails(wall, target.tile, actions),
    I: () => toggleDetails(wall, null, actions),
    f: actions.fullScreen,
    r: () => withTile((tile) => wall.rotate(tile)),
    l: () => withTile((tile) => wall.resize(tile)),
    p: () => withTile((tile) => wall.save(tile, 'picture')),
    v: () => withTile((tile) => wall.save(tile, 'clip')),
    c: actions.nextCodec,
    '?': actions.help,
    s: () => playback.toggleSync(),
    ' ': () => playback.togglePause(),
  };
  /** @type {Readonly<Record<string, () => void>>} */
  const repeating = { ',': () => playback.step(-1), '.': () => playback.step(1) };
  /** True while Space is held and was not for the focused button. */
  let tookSpace = false;
  addEventListener('keydown', (event) => {
    if (event.key === ' ') tookSpace = false;
    if (isForElement(event, target)) return;
    const act = arrowAction(wall, target, event, playback) ?? repeating[event.key] ?? keys[event.key];
    if (!act) return;
    event.preventDefault();
    tookSpace ||= event.key === ' ';
    // A held arrow key moves on from tile to tile. Other keys must not toggle repeatedly.
    if (!event.repeat || !(event.key in keys)) act();
  });
  // Browsers click the focused button when Space is released.
  addEventListener('keyup', (event) => {
    if (event.key === ' ' && tookSpace) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event @param {Target} focus */
function isForElement({ key, ctrlKey, altKey, metaKey, target }, focus) {
  if (ctrlKey || altKey || metaKey) return true;
  // The focus may be on nothing while a dialog is open. Its keys are not for the wall behind it.
  if (document.querySelector('dialog[open]')) return true;
  if (!(target instanceof Element)) return false;
  if (target.closest('textarea, select, input:not([type="range"])')) return true;
  if (target.matches('input')) return MOVING.includes(key);
  if (target.matches('.details')) return MOVING.includes(key) && target.scrollHeight > target.clientHeight;
  if (target.matches('a')) return key === 'Enter';
  // After a mouse click the focus of a button is not visible: these keys keep their meaning.
  return (key === ' ' || key === 'Enter') && target.matches('button:not(.view)') && focus.hasVisibleFocus;
}

/** @param {Wall} wall @param {Target} target @param {KeyboardEvent} event @param {import('./playback.js').Playback} playback */
function arrowAction(wall, target, { key, shiftKey }, playback) {
  const arrow = ARROWS[key];
  if (!arrow) return null;
  if (playback.paused && arrow.x !== 0) return () => playback.step(arrow.x, shiftKey ? 'second' : 'frame');
  return () => pressArrow(wall, target, arrow, shiftKey);
}

/** Toggles the details of a tile, or of all. @param {Wall} wall @param {Tile | null} tile @param {Actions} actions */
function toggleDetails(wall, tile, { announce }) {
  wall.toggleDetails(tile ?? undefined);
  const open = tile ? tile.detailsOpen : wall.detailsOpen;
  announce(`${tile ? `${tile.name}: details` : 'Details of all cameras'} ${open ? 'shown' : 'hidden'}`);
}

/** @param {Wall} wall @param {Target} target @param {Direction} arrow @param {boolean} move */
function pressArrow(wall, target, arrow, move) {
  if (wall.enlarged) wall.step(arrow.x);
  else if (move) moveTile(wall, target.tile, arrow.x || arrow.y);
  else focusNext(wall, target, arrow);
}

/** @param {Wall} wall @param {Tile | null} tile @param {number} by */
function moveTile(wall, tile, by) {
  if (tile) wall.move(tile, [...wall.tiles.values()].indexOf(tile) + by);
}

/** Focuses the nearest tile in a direction. @param {Wall} wall @param {Target} target @param {Direction} direction */
function focusNext(wall, target, direction) {
  const from = target.near;
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
