// Sizes: which one a tile requests, when a change is worth a new request, and which ones have the same shape. Pure.

/** @typedef {{ width: number, height: number }} Size */
/** @typedef {{ maxWidth: number, maxHeight: number }} Limits the area of a picture, in screen pixels */

/** If the renditions are unknown, a side that differs by this factor counts as another size. */
const STEP = Math.SQRT2;
/** The aspect ratio of most cameras, until the relay reports a stream's own. */
export const USUAL_ASPECT = 16 / 9;

/**
 * Converts a box on the screen to the size to request, as the source is oriented.
 * @param {Size} box @param {number} density @param {boolean} turned by 90° or 270° @returns {Limits}
 */
export function limitsOf({ width, height }, density, turned) {
  const pixels = (/** @type {number} */ length) => Math.max(1, Math.ceil(length * density));
  const [maxWidth, maxHeight] = turned ? [pixels(height), pixels(width)] : [pixels(width), pixels(height)];
  return { maxWidth, maxHeight };
}

/**
 * Returns the size to request for a picture that covers a box, so that parts of it are cut off.
 * @param {Size} box on the screen @param {number} aspect of the picture, width by height @param {number} density @returns {Limits}
 */
export function limitsToCover({ width, height }, aspect, density) {
  const across = Math.max(width, height * aspect);
  return limitsOf({ width: across, height: across / aspect }, density, false);
}

/**
 * Returns the probable size of a tile before it is placed. With too large a guess the relay starts with one rendition and
 * switches to another while the page still loads.
 * @param {Limits} screen @param {number} count of tiles @returns {Limits}
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
 * Returns whether the relay could send another rendition for `limits` than for those `asked` before.
 * @param {readonly Size[]} renditions 0 by 0 while unknown @param {Limits} asked @param {Limits} limits
 */
export function needsRequest(renditions, asked, limits) {
  return enough(renditions, asked) !== enough(renditions, limits);
}

/**
 * Returns the rendition that a relay chooses without constraints: the smallest that fills width or height.
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
 * Returns whether two sizes may be renditions of one picture: their aspect ratios differ by rounding only.
 * @param {Size} one @param {Size} other
 */
export function areOfOneShape(one, other) {
  const [small, large] = one.width < other.width ? [one, other] : [other, one];
  const aspect = large.width / large.height;
  return Math.abs(small.width - aspect * small.height) <= 1 + aspect;
}
