// Decides what reduces a tile's frame rate or resolution: the connection, this device, or neither for certain. Pure.

/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */
/** @typedef {import('../shared/messages.js').Evidence} Evidence */

/** Wi-Fi jitter and the transmission of a large frame explain a delay up to this, in milliseconds. */
const SLOW_NETWORK = 40;
/** The event loop notes arrivals late. Its lag may explain at most this share of the network delay. */
const MAX_LAG_SHARE = 0.5;
/** A decoder that works for more than this share of the time does not keep up. */
const OVERLOADED = 0.8;

/**
 * Returns what slows a tile down.
 * @param {number} busy share of the time in which its decoder works @param {Evidence} evidence @returns {SlowCause}
 */
export function causeOf(busy, { network, lag }) {
  if (busy > OVERLOADED) return 'device';
  const slow = network !== null && network > SLOW_NETWORK && lag < MAX_LAG_SHARE * network;
  return slow ? 'link' : 'unknown';
}

/** Returns the cause to name for a whole wall: a known one before an unknown one. @param {readonly (SlowCause | null)[]} causes */
export function mainCause(causes) {
  /** @type {readonly SlowCause[]} */
  const order = ['link', 'device', 'unknown'];
  return order.find((cause) => causes.includes(cause)) ?? null;
}

/**
 * Returns the cause to name from now on: the first known cause stays until the tile has recovered.
 * @param {SlowCause | null} before @param {SlowCause | null} now
 */
export function moreCertain(before, now) {
  return before === null || before === 'unknown' ? (now ?? before) : before;
}
