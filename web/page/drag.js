// Reorders tiles by dragging: with the mouse immediately, with a finger after a long press, because a short one scrolls.

/** @typedef {import('./wall.js').Wall} Wall */
/** @typedef {import('./tile.js').Tile} Tile */
/** @typedef {{ tile: Tile, x: number, y: number, pointer: number, touch: boolean }} Grip */

const THRESHOLD = 8;
const LONG_PRESS = 350;

/** @param {Wall} wall */
export function enableDragging(wall) {
  /** @type {Grip | null} */
  let grip = null;
  let dragging = false;
  /** @type {{ tile: Tile, after: boolean } | null} */
  let target = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let press;

  const begin = () => {
    if (!grip) return;
    dragging = true;
    grip.tile.element.classList.add('dragging');
    grip.tile.view.setPointerCapture(grip.pointer);
  };

  const end = () => {
    clearTimeout(press);
    if (grip) {
      grip.tile.element.classList.remove('dragging');
      grip.tile.element.style.translate = '';
    }
    mark(target, null);
    grip = target = null;
  };

  wall.list.addEventListener('pointerdown', (event) => {
    const tile = tileAt(wall, event.target);
    if (!tile || wall.enlarged || event.button !== 0 || !event.isPrimary) return;
    dragging = false;
    grip = { tile, x: event.clientX, y: event.clientY, pointer: event.pointerId, touch: event.pointerType === 'touch' };
    if (grip.touch) press = setTimeout(begin, LONG_PRESS);
  });

  wall.list.addEventListener('pointermove', (event) => {
    if (!grip || event.pointerId !== grip.pointer) return;
    const x = event.clientX - grip.x;
    const y = event.clientY - grip.y;
    if (!dragging) {
      if (Math.hypot(x, y) < THRESHOLD) return;
      if (grip.touch) return end();
      begin();
    }
    grip.tile.element.style.translate = `${x}px ${y}px`;
    const next = placeUnder(wall, grip.tile, event.clientX, event.clientY);
    mark(target, next);
    target = next;
  });

  wall.list.addEventListener('pointerup', () => {
    const [held, place] = [grip, target];
    end();
    if (dragging && held && place) wall.move(held.tile, indexFor(wall, held.tile, place));
  });
  wall.list.addEventListener('pointercancel', end);

  // The click that ends a drag is ignored, and a dragging finger must not scroll.
  wall.list.addEventListener('click', (event) => dragging && event.stopPropagation(), { capture: true });
  wall.list.addEventListener('touchmove', (event) => dragging && grip && event.preventDefault(), { passive: false });
  wall.list.addEventListener('contextmenu', (event) => dragging && event.preventDefault());
}

/** Returns the tile whose picture was pressed. Its buttons do not start a drag. @param {Wall} wall @param {EventTarget | null} at */
function tileAt(wall, at) {
  const view = at instanceof Element ? at.closest('.view') : null;
  const name = view?.closest('.tile')?.getAttribute('data-stream');
  return name ? (wall.tiles.get(name) ?? null) : null;
}

/** @param {Wall} wall @param {Tile} held @param {number} x @param {number} y */
function placeUnder(wall, held, x, y) {
  for (const tile of wall.tiles.values()) {
    const box = tile.element.getBoundingClientRect();
    if (tile === held || x < box.left || x > box.right || y < box.top || y > box.bottom) continue;
    const alone = box.width > wall.list.clientWidth * 0.9;
    return { tile, after: alone ? y > box.top + box.height / 2 : x > box.left + box.width / 2 };
  }
  return null;
}

/** @param {Wall} wall @param {Tile} held @param {{ tile: Tile, after: boolean }} place */
function indexFor(wall, held, { tile, after }) {
  const others = [...wall.tiles.values()].filter((other) => other !== held);
  return others.indexOf(tile) + (after ? 1 : 0);
}

/** @param {{ tile: Tile } | null} before @param {{ tile: Tile, after: boolean } | null} now */
function mark(before, now) {
  before?.tile.element.classList.remove('drop-before', 'drop-after');
  now?.tile.element.classList.add(now.after ? 'drop-after' : 'drop-before');
}
