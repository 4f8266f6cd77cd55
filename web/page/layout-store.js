// Order, size and rotation of the tiles: stored on this machine, and written into a URL to share:
// `?order=door,hall&large=door&rotate=hall:90`. Invalid parts are ignored.

import { isStreamName, MAX_STREAMS } from '../shared/protocol.js';

/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {{ order: string[], large: Set<string>, rotation: Map<string, Rotation> }} Layout */

const KEY = 'fanlight.layout';
export const LAYOUT_PARAMETERS = ['order', 'large', 'rotate'];

/** Returns where to store the layout; `null` if the browser forbids storage. @returns {Storage | null} */
export function machineStorage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** @returns {Layout} */
export function emptyLayout() {
  return { order: [], large: new Set(), rotation: new Map() };
}

/**
 * Loads the layout: a shared one from the URL, otherwise the stored one.
 * @param {URLSearchParams} parameters @param {Storage | null} storage
 * @returns {Layout}
 */
export function loadLayout(parameters, storage) {
  if (LAYOUT_PARAMETERS.some((name) => parameters.has(name))) return layoutFromParameters(parameters);
  try {
    return layoutFromParameters(new URLSearchParams(storage?.getItem(KEY) ?? ''));
  } catch {
    return emptyLayout();
  }
}

/** @param {Layout} layout @param {Storage | null} storage */
export function saveLayout(layout, storage) {
  try {
    storage?.setItem(KEY, parametersOfLayout(layout).toString());
  } catch {
    // Storage may be full or forbidden. The wall works without it.
  }
}

/** @param {URLSearchParams} parameters @returns {Layout} */
export function layoutFromParameters(parameters) {
  const layout = emptyLayout();
  layout.order = [...new Set(names(parameters.get('order')))];
  layout.large = new Set(names(parameters.get('large')));
  for (const entry of list(parameters.get('rotate'))) {
    const [name, degrees] = entry.split(':');
    const rotation = rotationOf(Number(degrees));
    if (isStreamName(name) && rotation !== 0) layout.rotation.set(name, rotation);
  }
  return layout;
}

/** @param {Layout} layout */
export function parametersOfLayout({ order, large, rotation }) {
  const parameters = new URLSearchParams();
  if (order.length > 0) parameters.set('order', order.join(','));
  if (large.size > 0) parameters.set('large', [...large].join(','));
  if (rotation.size > 0) parameters.set('rotate', [...rotation].map(([name, by]) => `${name}:${by}`).join(','));
  return parameters;
}

/**
 * Returns a link to the wall: the address with the parameters of `layout` instead of its own.
 * @param {string} address @param {Layout} layout
 */
export function linkWithLayout(address, layout) {
  const url = withoutLayout(address);
  for (const [name, value] of parametersOfLayout(layout)) url.searchParams.set(name, value);
  // A query may contain commas and colons, and people read these links.
  url.search = url.search.replaceAll('%2C', ',').replaceAll('%3A', ':');
  return url.href;
}

/** @param {string} address */
export function withoutLayout(address) {
  const url = new URL(address);
  for (const name of LAYOUT_PARAMETERS) url.searchParams.delete(name);
  return url;
}

/**
 * Sorts names by the layout's order. Names that it does not contain follow alphabetically.
 * @param {readonly string[]} streams @param {Layout} layout
 */
export function inOrder(streams, { order }) {
  const place = new Map(order.map((name, index) => [name, index]));
  const placeOf = (/** @type {string} */ name) => place.get(name) ?? Infinity;
  return [...streams].sort((a, b) => {
    const [first, second] = [placeOf(a), placeOf(b)];
    if (first !== second) return first < second ? -1 : 1;
    return a < b ? -1 : 1;
  });
}

/**
 * Returns the order after `name` moved to the position `target`.
 * @param {readonly string[]} shown @param {string} name @param {number} target index among `shown`
 */
export function moved(shown, name, target) {
  const others = shown.filter((other) => other !== name);
  others.splice(Math.max(0, Math.min(target, others.length)), 0, name);
  return others;
}

/** @param {number} degrees @returns {Rotation} */
export function rotationOf(degrees) {
  const turned = ((degrees % 360) + 360) % 360;
  return turned === 90 || turned === 180 || turned === 270 ? turned : 0;
}

/** @param {string | null} text */
function names(text) {
  return list(text).filter(isStreamName);
}

/** @param {string | null} text */
function list(text) {
  return text ? text.split(',').slice(0, MAX_STREAMS) : [];
}
