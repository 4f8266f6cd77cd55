// A frame's journey from the camera to the screen, in seven stages, and which of them takes longest. Pure.

import { formatAge, median } from '../shared/age.js';

/** @typedef {import('../shared/protocol.js').Journey} Journey */

/**
 * What the worker knows of a frame whose journey was reported. Milliseconds of this machine's clock.
 * @typedef {object} FrameTiming
 * @property {Journey} journey until the relay sent it, in microseconds of the relay's clock
 * @property {number} offset to add to our clock to get the relay's, in milliseconds
 * @property {number} arrivedAt
 * @property {number} held for how long it was made to wait, so that the wall is in step
 * @property {number} decodedAt the waiting not counted
 * @property {number} paintedAt when it came to the screen, the waiting not counted
 */

export const STAGES = /** @type {const} */ (['capture', 'encode', 'bus', 'relay', 'network', 'decode', 'display']);

/** What happens in a stage, in a sentence. @type {Readonly<Record<StageName, string>>} */
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
/** @typedef {{ stages: Stage[], total: number, held: number, slowest: Stage }} Breakdown */

/** Each stage is the median of the last ones. @param {readonly FrameTiming[]} timings @returns {Breakdown | null} */
export function breakdownOf(timings) {
  if (timings.length === 0) return null;
  const all = timings.map(stagesOf);
  const stages = STAGES.map((name, stage) => ({ name, time: median(all.map((times) => times[stage] ?? 0)) }));
  const slowest = stages.reduce((worst, stage) => (stage.time > worst.time ? stage : worst));
  const total = stages.reduce((sum, { time }) => sum + time, 0);
  return { stages, total, held: median(timings.map(({ held }) => held)), slowest };
}

/**
 * Two clocks agree to a millisecond or so: a stage shorter than that may seem negative, and counts as nothing.
 * @param {FrameTiming} timing
 */
export function stagesOf({ journey, offset, arrivedAt, decodedAt, paintedAt }) {
  const { captured_at, read_at, published_at, received_at, sent_at } = journey;
  const there = [captured_at, read_at, published_at, received_at, sent_at].map((moment) => moment / 1000 - offset);
  const moments = [...there, arrivedAt, decodedAt, paintedAt];
  return STAGES.map((_, stage) => Math.max(0, (moments[stage + 1] ?? 0) - (moments[stage] ?? 0)));
}

/** @param {Breakdown} breakdown */
export function textFor({ slowest, total, held }) {
  const sync = held >= 1 ? `, plus ${formatAge(held)} sync delay` : '';
  return { slowest: `Slowest: ${ACTIVITIES[slowest.name]}, ${formatAge(slowest.time)}`, total: `total ${formatAge(total)}${sync}` };
}
