// Sizes of pictures: in which one is asked for, when another is worth a word to the relay, and which are of the same
// shape. Pure.

/** @typedef {{ width: number, height: number }} Size */
/** @typedef {{ maxWidth: number, maxHeight: number }} Limits so many pixels of the screen a picture is shown in */

/** Where it is not known what renditions there are, a size counts as another one from so much on, a side. */
const STEP = Math.SQRT2;
/** What most cameras send, until the first word of the relay says otherwise. */
export const USUAL_ASPECT = 16 / 9;

/**
 * A box in pixels of the screen; a turned picture is asked for as it lies in the source.
 * @param {Size} box @param {number} density @param {boolean} turned @returns {Limits}
 */
export function limitsOf({ width, height }, density, turned) {
  const pixels = (/** @type {number} */ length) => Math.max(1, Math.ceil(length * density));
  const [maxWidth, maxHeight] = turned ? [pixels(height), pixels(width)] : [pixels(width), pixels(height)];
  return { maxWidth, maxHeight };
}

/**
 * Returns the size in which a tile of a wall is probably seen, before its place is known: with too large a guess, the
 * relay begins with one rendition and has to change to another while the page is still starting.
 * @param {Limits} screen @param {number} count how many tiles there are @returns {Limits}
 */
export function likelyLimits({ maxWidth, maxHeight }, count) {
  const across = Math.sqrt((count * maxWidth) / maxHeight / USUAL_ASPECT);
  const columns = Math.min(count, Math.max(1, Math.round(across)));
  const rows = Math.ceil(count / columns);
  return { maxWidth: Math.ceil(maxWidth / columns), maxHeight: Math.ceil(maxHeight / rows) };
}

/** @param {Limits} one @param {Limits} than */
export function isLarger(one, than) {
  return one.maxWidth > than.maxWidth || one.maxHeight > than.maxHeight;
}

/**
 * Whether another rendition could be sent for `wanted` than for `asked`.
 * @param {readonly Size[]} renditions 0 by 0 while unknown @param {Limits} asked @param {Limits} wanted
 */
export function asksForOther(renditions, asked, wanted) {
  return enough(renditions, asked) !== enough(renditions, wanted);
}

/**
 * The rendition that a relay chooses where nothing is in its way: the smallest that fills width or height.
 * @param {readonly Size[]} renditions @param {Limits} limits
 */
function enough(renditions, { maxWidth, maxHeight }) {
  const known = renditions.length > 0 && renditions.every(({ width, height }) => width > 0 && height > 0);
  if (!known) return [maxWidth, maxHeight].map((length) => Math.ceil(Math.log(length) / Math.log(STEP))).join();
  const bySize = [...renditions].sort((a, b) => a.width * a.height - b.width * b.height);
  const found = bySize.find(({ width, height }) => width >= maxWidth || height >= maxHeight) ?? bySize.at(-1);
  return `${found?.width},${found?.height}`;
}

/**
 * Whether two pictures may be renditions of the same one: they differ in shape by no more than rounding makes them.
 * @param {Size} one @param {Size} other
 */
export function areOfOneShape(one, other) {
  const [small, large] = one.width < other.width ? [one, other] : [other, one];
  const aspect = large.width / large.height;
  return Math.abs(small.width - aspect * small.height) <= 1 + aspect;
}
