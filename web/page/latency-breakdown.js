// The latency breakdown of a frame: seven stages from the camera to the screen, and the slowest of them. Pure.

import { formatAge, median } from '../shared/age.js';

/** @typedef {import('../shared/messages.js').FrameJourney} FrameJourney */

export const STAGES = /** @type {const} */ (['capture', 'encode', 'bus', 'relay', 'network', 'decode', 'display']);

/** Names of the stages within a sentence. @type {Readonly<Record<StageName, string>>} */
const ACTIVITIES = {
  capture: 'capture',
  encode: 'encoding',
  bus: 'bus',
  relay: 'relay',
  network: 'network',
  decode: 'decoding',
  display: 'display',
};

/** @typedef {typeof STAGES[number]} StageName */
/** @typedef {{ name: StageName, time: number }} Stage in milliseconds */
/** @typedef {{ stages: Stage[], held: number, slowest: Stage }} Breakdown */

/** Returns the median of each stage over some frames. @param {readonly FrameJourney[]} journeys @returns {Breakdown | null} */
export function breakdownOf(journeys) {
  if (journeys.length === 0) return null;
  const all = journeys.map(stagesOf);
  const stages = STAGES.map((name, stage) => ({ name, time: median(all.map((times) => times[stage] ?? 0)) }));
  const slowest = stages.reduce((worst, stage) => (stage.time > worst.time ? stage : worst));
  return { stages, held: median(journeys.map(({ held }) => held)), slowest };
}

/**
 * Returns the duration of each stage. Two clocks agree to about a millisecond, so a short stage may seem negative: it counts as 0.
 * @param {FrameJourney} journey
 */
export function stagesOf({ relayed, offset, arrivedAt, decodedAt, paintedAt }) {
  const { captured_at, read_at, published_at, received_at, sent_at } = relayed;
  const there = [captured_at, read_at, published_at, received_at, sent_at].map((moment) => moment / 1000 - offset);
  const moments = [...there, arrivedAt, decodedAt, paintedAt];
  return STAGES.map((_, stage) => Math.max(0, (moments[stage + 1] ?? 0) - (moments[stage] ?? 0)));
}

/**
 * @param {Breakdown} breakdown @param {number | null} age the age that the tile shows, in milliseconds: the total of the same
 *   frames, with the sync delay; `null` if it shows none
 */
export function textFor({ slowest, held }, age) {
  const sync = held >= 1 ? `, ${formatAge(held)} of it sync delay` : '';
  const total = age === null ? '' : `total ${formatAge(age)}${sync}`;
  return { slowest: `Slowest: ${ACTIVITIES[slowest.name]}, ${formatAge(slowest.time)}`, total };
}
