// A frame's journey from the camera to the screen, in seven legs, and which of them takes longest. Pure.

import { formatAge, median } from '../shared/age.js';

/** @typedef {import('../shared/protocol.js').Journey} Journey */

/**
 * What the worker knows of a frame whose journey was told. Milliseconds of this machine's clock.
 * @typedef {object} Passage
 * @property {Journey} journey until the relay sent it, in microseconds of the relay's clock
 * @property {number} offset to add to our clock to get the relay's, in milliseconds
 * @property {number} arrivedAt
 * @property {number} held for how long it was made to wait, so that the wall is in step
 * @property {number} decodedAt the waiting not counted
 * @property {number} paintedAt when it came to the screen, the waiting not counted
 */

export const LEGS = /** @type {const} */ (['captured', 'encoded', 'bus', 'relay', 'network', 'decoded', 'painted']);

/** @typedef {typeof LEGS[number]} LegName */
/** @typedef {{ name: LegName, time: number }} Leg in milliseconds */
/** @typedef {{ legs: Leg[], total: number, held: number, slowest: Leg }} Way */

/** Each leg is the median of the last ones. @param {readonly Passage[]} passages @returns {Way | null} */
export function wayOf(passages) {
  if (passages.length === 0) return null;
  const all = passages.map(legsOf);
  const legs = LEGS.map((name, leg) => ({ name, time: median(all.map((times) => times[leg] ?? 0)) }));
  const slowest = legs.reduce((worst, leg) => (leg.time > worst.time ? leg : worst));
  const total = legs.reduce((sum, { time }) => sum + time, 0);
  return { legs, total, held: median(passages.map(({ held }) => held)), slowest };
}

/**
 * Two clocks agree to a millisecond or so: a leg shorter than that may seem negative, and counts as nothing.
 * @param {Passage} passage
 */
export function legsOf({ journey, offset, arrivedAt, decodedAt, paintedAt }) {
  const { captured_at, read_at, published_at, received_at, sent_at } = journey;
  const there = [captured_at, read_at, published_at, received_at, sent_at].map((moment) => moment / 1000 - offset);
  const moments = [...there, arrivedAt, decodedAt, paintedAt];
  return LEGS.map((_, leg) => Math.max(0, (moments[leg + 1] ?? 0) - (moments[leg] ?? 0)));
}

/** @param {Way} way */
export function wordsFor({ slowest, total, held }) {
  const waiting = held >= 1 ? `, and ${formatAge(held)} held to be in step` : '';
  return { slowest: `slowest: ${slowest.name}, ${formatAge(slowest.time)}`, total: `${formatAge(total)} in all${waiting}` };
}
