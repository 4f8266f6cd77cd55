// How a tile is, and in which words: the one place that decides whether a picture may pass as live.
// Pure: everything known comes in, `now` included.

import { formatSpan, staleAfter } from '../shared/age.js';

/**
 * `waiting`: asked for, no picture yet. `idle`: not asked for, or the source rests. `stale`: a picture that has
 * stopped. `late`: pictures move, but are old when they reach the relay. `frozen`: a picture that the viewer holds. `offline` and `ended`: as the relay says.
 * @typedef {'live' | 'late' | 'frozen' | 'stale' | 'offline' | 'ended' | 'idle' | 'waiting'} TileState
 */

/**
 * What is known of a tile. Times in milliseconds of this machine's clock.
 * @typedef {object} Known
 * @property {boolean} linkUp the socket is open
 * @property {number | null} watchedSince when it was asked for; `null`: it is not
 * @property {{ state: import('../shared/protocol.js').ViewerState, reason: string, since: number } | null} told the relay's
 *   word: on the subscription, else in its list
 * @property {string} error what the relay refused, in its words; empty: nothing
 * @property {{ ageAtPaint: number, paintedAt: number, interval: number, painted: number } | null} picture the newest
 *   painted; `painted` counts since it was asked for
 * @property {boolean} [frozen] the viewer holds the wall
 * @property {boolean} [leftOut] too late for the other tiles to wait, where the wall is in step
 */

/** @typedef {{ state: TileState, words: string, slow: boolean }} Condition words: why; empty where all is well */

export const LINK_LOST = 'Connection to the relay lost, trying again';

/** @param {Known} known @param {number} now @returns {Condition} */
export function conditionOf(known, now) {
  const flowing = flow(known, now);
  if (!known.frozen || !known.picture) return flowing;
  // A held picture says nothing about the silence since then; what else is wrong is still told.
  const trouble = !known.linkUp || flowing.state === 'offline' || flowing.state === 'ended' ? flowing.words : '';
  return { state: 'frozen', words: trouble ? `Frozen. ${trouble}` : 'Frozen', slow: flowing.slow };
}

/** @param {Known} known @param {number} now @returns {Condition} */
function flow(known, now) {
  if (!known.linkUp) return { state: known.picture ? 'stale' : 'waiting', words: LINK_LOST, slow: false };
  if (known.error) return { state: 'offline', words: sentence(known.error), slow: false };
  const { told } = known;
  if (told?.state === 'offline') return { state: 'offline', words: why(told, 'No pictures come'), slow: false };
  if (told?.state === 'ended') return { state: 'ended', words: why(told, 'The source came to its end'), slow: false };
  if (known.watchedSince === null) return { state: 'idle', words: '', slow: false };
  return watched(known, known.watchedSince, now);
}

/** @param {Known} known @param {number} since @param {number} now @returns {Condition} */
function watched({ picture, told, leftOut }, since, now) {
  const slow = told?.state === 'slow';
  if (!picture || picture.painted === 0) return waiting(told, since, now, picture !== null);
  const limit = staleAfter(picture.interval);
  const silent = now - picture.paintedAt;
  if (silent > limit) {
    const words = told?.state === 'idle' && told.reason ? told.reason : `No picture for ${formatSpan(silent)}`;
    return { state: 'stale', words: sentence(words), slow };
  }
  // The first picture after a pause is the newest the relay held: when it is old, only a second one proves life.
  if (picture.painted === 1 && picture.ageAtPaint > limit) return { state: 'waiting', words: '', slow };
  if (told?.state === 'late') return { state: 'late', words: why(told, 'Pictures reach the relay late'), slow };
  if (told?.state === 'unknown') return { state: 'late', words: why(told, 'The relay reports an unknown state'), slow };
  return { state: 'live', words: leftOut ? 'Too late to be in step' : '', slow };
}

/** @param {Known['told']} told @param {number} since @param {number} now @param {boolean} pictured @returns {Condition} */
function waiting(told, since, now, pictured) {
  if (told?.state === 'idle' && told.reason) return { state: 'idle', words: sentence(told.reason), slow: false };
  const long = now - since > staleAfter(0);
  if (pictured) return { state: long ? 'stale' : 'waiting', words: long ? 'No new picture came' : '', slow: false };
  return { state: 'waiting', words: long ? 'No picture came yet' : 'Waiting for the first picture', slow: false };
}

/** @param {{ reason: string }} told @param {string} otherwise */
function why(told, otherwise) {
  return told.reason ? sentence(told.reason) : otherwise;
}

/** Reasons come in small letters, without a full stop; a tile shows them as a line of their own. @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
