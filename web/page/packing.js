// Packs the wall: tiles in their order and aspect ratio, without gaps, as large as the screen allows.
//
// The wall is split into rows. The tiles of a row share its height and fill its width. A large tile makes its row twice as high,
// and its small neighbours form two sub-rows beside it. For each number of rows the most even wall is computed; the one with
// the largest pictures wins. Pure: sizes in, boxes out.

/** @typedef {{ name: string, aspect: number, large: boolean }} Item aspect: width by height, as it is shown */
/** @typedef {{ x: number, y: number, width: number, height: number }} Rect */
/** @typedef {Rect & { name: string }} Box */
/** @typedef {{ boxes: Box[], height: number }} Packing height: of the whole wall; more than the screen's: it scrolls */
/**
 * A tile, or a group of tiles.
 * @typedef {{ aspect: number, across: boolean, parts: Node[], name: string, weight: number }} Node weight: intended height
 *   of a row, in rows
 */

/** A narrower upright screen is a phone: one column. */
const ONE_COLUMN_BELOW = 600;
/** In lower rows pictures are too small to see anything: the wall scrolls instead. */
const MIN_ROW = 96;
/** Minimum height of rows in a wall that scrolls. */
const COMFORTABLE_ROW = 180;
/** After this many row counts without an improvement, more rows will not bring one. */
const MAX_ATTEMPTS = 4;
/** Rows longer than this multiple of the intended length are not tried. */
const MAX_ROW = 3;

/**
 * @param {readonly Item[]} items
 * @param {{ width: number, height: number }} screen
 * @returns {Packing}
 */
export function pack(items, screen) {
  if (items.length === 0 || screen.width <= 0 || screen.height <= 0) return { boxes: [], height: 0 };
  if (screen.width < ONE_COLUMN_BELOW && screen.width <= screen.height) return oneColumn(items, screen);
  return placeRows(bestRows(items, screen), screen);
}

/**
 * Returns the position of a picture within a box: centred, as large as possible.
 * @param {Rect} box @param {number} aspect @returns {Rect}
 */
export function contained(box, aspect) {
  const width = Math.min(box.width, box.height * aspect);
  const height = width / aspect;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

/** @param {readonly Item[]} items @param {{ width: number, height: number }} screen @returns {Packing} */
function oneColumn(items, screen) {
  const heights = items.map(({ aspect }) => Math.min(screen.width / aspect, screen.height));
  const total = sum(heights);
  let y = Math.max(0, (screen.height - total) / 2);
  const boxes = items.map(({ name, aspect }, index) => {
    const height = heights[index] ?? 0;
    const width = height * aspect;
    const box = { name, x: (screen.width - width) / 2, y, width, height };
    y += height;
    return box;
  });
  return { boxes, height: total };
}

/** @param {readonly Item[]} items @param {{ width: number, height: number }} screen @returns {Node[]} */
function bestRows(items, screen) {
  /** @type {Node[] | null} */
  let best = null;
  let bestScore = 0;
  let idle = 0;
  for (const rows of evenWalls(items, screen.width)) {
    const { area, lowest, unscaledLowest, evenness } = measure(rows, screen);
    if (lowest >= MIN_ROW) {
      const score = area * Math.sqrt(evenness);
      idle = score > bestScore * 1.0001 ? 0 : idle + 1;
      if (idle === 0) {
        best = rows;
        bestScore = score;
      } else if (idle > MAX_ATTEMPTS) break;
    } else if (!best && (unscaledLowest >= COMFORTABLE_ROW || rows.length === items.length)) {
      return rows;
    }
  }
  return best ?? items.map((item) => rowOf([item]));
}

/**
 * Measures a wall. `evenness`: 1 if all rows have their intended heights relative to each other, less otherwise.
 * @param {readonly Node[]} rows @param {{ width: number, height: number }} screen
 */
function measure(rows, screen) {
  const heights = rows.map((row) => screen.width / row.aspect);
  const scale = Math.min(1, screen.height / sum(heights));
  const meant = rows.map((row, index) => (heights[index] ?? 0) / row.weight);
  const unscaledLowest = Math.min(...meant);
  return {
    area: screen.width * sum(heights) * scale * scale,
    lowest: unscaledLowest * scale,
    unscaledLowest,
    evenness: unscaledLowest / Math.max(...meant),
  };
}

/** @param {readonly Node[]} rows @param {{ width: number, height: number }} screen @returns {Packing} */
function placeRows(rows, screen) {
  const natural = sum(rows.map((row) => screen.width / row.aspect));
  const scrolls = measure(rows, screen).lowest < MIN_ROW;
  const scale = scrolls ? 1 : Math.min(1, screen.height / natural);
  const width = screen.width * scale;
  /** @type {Box[]} */
  const boxes = [];
  let y = Math.max(0, (screen.height - natural * scale) / 2);
  for (const row of rows) {
    place(row, { x: (screen.width - width) / 2, y, width, height: width / row.aspect }, boxes);
    y += width / row.aspect;
  }
  return { boxes, height: natural * scale };
}

/** @param {Node} node @param {Rect} box @param {Box[]} boxes */
function place(node, box, boxes) {
  if (node.parts.length === 0) {
    boxes.push({ name: node.name, ...box });
    return;
  }
  let { x, y } = box;
  for (const part of node.parts) {
    const width = node.across ? box.height * part.aspect : box.width;
    const height = node.across ? box.height : box.width / part.aspect;
    place(part, { x, y, width, height }, boxes);
    if (node.across) x += width;
    else y += height;
  }
}

/**
 * Generates the most even wall for one row, two rows and so on, without those whose rows would be far too low.
 * @param {readonly Item[]} items @param {number} width
 * @returns {Generator<Node[]>}
 */
function* evenWalls(items, width) {
  // A large tile takes the area of four.
  const total = sum(items.map(({ aspect, large }) => (large ? 4 * aspect : aspect)));
  const fewest = Math.ceil((total * MIN_ROW) / width / 2);
  for (let rows = Math.min(fewest, items.length); rows <= items.length; rows += 1) yield evenRows(items, total / rows);
}

/**
 * Splits tiles into rows whose lengths are as close to `length` as possible, as typesetting breaks lines: the best rows up to
 * each tile follow from the best rows up to the tiles before it.
 * @param {readonly Item[]} items @param {number} length
 * @returns {Node[]}
 */
function evenRows(items, length) {
  const best = [{ cost: 0, start: 0 }];
  for (let end = 1; end <= items.length; end += 1) {
    let least = { cost: Infinity, start: end - 1 };
    let plain = 0;
    let large = false;
    for (let start = end - 1; start >= 0 && (plain <= MAX_ROW * length || start === end - 1); start -= 1) {
      const first = items[start];
      plain += first?.aspect ?? 0;
      large ||= first?.large ?? false;
      const row = large ? 2 * rowOf(items.slice(start, end)).aspect : plain;
      const cost = (best[start]?.cost ?? 0) + Math.log(row / length) ** 2;
      // Of equal splits, the one with more tiles in the lower rows wins: the first tiles may be larger.
      if (cost < least.cost + 1e-9) least = { cost, start };
    }
    best.push(least);
  }
  /** @type {Node[]} */
  const rows = [];
  for (let end = items.length; end > 0; ) {
    const start = best[end]?.start ?? 0;
    rows.unshift(rowOf(items.slice(start, end)));
    end = start;
  }
  return rows;
}

/** @param {readonly Item[]} items @returns {Node} */
function rowOf(items) {
  if (!items.some(({ large }) => large)) return across(items.map(leaf));
  // The row is twice as high, so it counts as twice as long when rows are evened out.
  return { ...across(runsOf(items).map(blockOf)), weight: 2 };
}

/**
 * Groups the tiles of a row with large ones: each large tile, and the small tiles between them. A single small tile would
 * become as high as a large one; then all small tiles form one group.
 * @param {readonly Item[]} items
 * @returns {Item[][]}
 */
function runsOf(items) {
  /** @type {Item[][]} */
  const runs = [];
  for (const item of items) {
    const last = runs.at(-1);
    if (!item.large && last && !last[0]?.large) last.push(item);
    else runs.push([item]);
  }
  if (runs.every(([first, second]) => first?.large || second)) return runs;
  const large = items.filter((item) => item.large).map((item) => [item]);
  return [...large, items.filter((item) => !item.large)];
}

/** @param {Item[]} run @returns {Node} */
function blockOf(run) {
  const [first] = run;
  return first && run.length === 1 ? leaf(first) : twoRows(run);
}

/** Splits tiles where both halves are most alike. @param {readonly Item[]} items @returns {Node} */
function twoRows(items) {
  const total = sum(items.map(({ aspect }) => aspect));
  let cut = 1;
  let upper = items[0]?.aspect ?? 0;
  for (let index = 1; index < items.length - 1; index += 1) {
    const longer = upper + (items[index]?.aspect ?? 0);
    if (Math.abs(total - 2 * longer) >= Math.abs(total - 2 * upper)) break;
    upper = longer;
    cut = index + 1;
  }
  const rows = [across(items.slice(0, cut).map(leaf)), across(items.slice(cut).map(leaf))];
  return { aspect: 1 / sum(rows.map(({ aspect }) => 1 / aspect)), across: false, parts: rows, name: '', weight: 1 };
}

/** @param {Item} item @returns {Node} */
function leaf({ name, aspect }) {
  return { aspect, across: true, parts: [], name, weight: 1 };
}

/** @param {Node[]} parts @returns {Node} */
function across(parts) {
  return { aspect: sum(parts.map(({ aspect }) => aspect)), across: true, parts, name: '', weight: 1 };
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
