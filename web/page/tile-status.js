// The status of a tile: the only module that decides whether a picture may pass as live. Pure: `now` is an argument.

import { formatSpan, staleAfter } from '../shared/age.js';
import { formatMoment } from './moment.js';

/**
 * `waiting`: requested, no picture yet. `idle`: not requested, or the source is idle. `stale`: the picture has stopped.
 * `late`: frames are already old when they reach the relay. `frozen`: they all show the same picture. `paused`: by the viewer. `offline`, `ended`: reported by the relay.
 * `gone`: no publisher has the stream any more.
 * @typedef {'live' | 'late' | 'frozen' | 'paused' | 'stale' | 'offline' | 'ended' | 'gone' | 'idle' | 'waiting'} TileState
 */

/**
 * Everything that is known about a tile. Times in milliseconds of this machine's clock.
 * @typedef {object} TileInputs
 * @property {boolean} linkUp the socket is open
 * @property {number | null} watchedSince time at which the stream was requested; `null` if it is not
 * @property {{ state: import('../shared/protocol.js').ViewerState, reason: string, since: number } | null} reported by the relay:
 *   for the subscription, otherwise in its list
 * @property {string} error the relay's error message; empty without one
 * @property {{ ageAtPaint: number, paintedAt: number, interval: number, painted: number } | null} picture the displayed one;
 *   `painted` counts frames since the request
 * @property {number | null} [previewedAt] time at which a preview appeared, which no frame has replaced; `null` without one
 * @property {{ since: number, reason: string } | null} [gone] since when no publisher has the stream, and why
 * @property {boolean} [paused] the viewer paused the wall
 * @property {boolean} [outOfSync] the wall is synced, and this tile is too late for the others to wait
 */

/** @typedef {{ state: TileState, text: string, slow: boolean }} TileStatus text: why; empty where all is well */

export const CONNECTION_LOST = 'Connection lost, reconnecting';
/** States in which no frame will follow by itself. @type {readonly TileState[]} */
const WITHOUT_FRAMES = ['offline', 'ended', 'gone'];

/** @param {TileInputs} known @param {number} now @returns {TileStatus} */
export function statusOf(known, now) {
  const flowing = flow(known, now);
  if (!known.paused || !known.picture) return flowing;
  // A paused picture cannot tell whether frames stopped since then. Other problems are still shown.
  const trouble = !known.linkUp || WITHOUT_FRAMES.includes(flowing.state) ? flowing.text : '';
  return { state: 'paused', text: trouble ? `Paused. ${trouble}` : 'Paused', slow: flowing.slow };
}

/** @param {TileInputs} known @param {number} now @returns {TileStatus} */
function flow(known, now) {
  if (!known.linkUp) return { state: known.picture || known.previewedAt ? 'stale' : 'waiting', text: CONNECTION_LOST, slow: false };
  if (known.gone && known.reported?.state !== 'ended') return { state: 'gone', text: goneText(known.gone, now), slow: false };
  if (known.error) return { state: 'offline', text: sentence(known.error), slow: false };
  const { reported } = known;
  if (reported?.state === 'offline') return { state: 'offline', text: why(reported, 'No picture'), slow: false };
  if (reported?.state === 'ended') return { state: 'ended', text: why(reported, 'Source ended'), slow: false };
  if (known.watchedSince === null) return { state: 'idle', text: '', slow: false };
  return watched(known, known.watchedSince, now);
}

/** @param {TileInputs} known @param {number} since @param {number} now @returns {TileStatus} */
function watched({ picture, previewedAt, reported, outOfSync }, since, now) {
  const slow = reported?.state === 'slow';
  if (!picture && previewedAt) return waiting(reported, previewedAt, now, true);
  if (!picture || picture.painted === 0) return waiting(reported, since, now, picture !== null);
  if (reported?.state === 'frozen') return { state: 'frozen', text: frozen(reported, now), slow };
  const limit = staleAfter(picture.interval);
  const silent = now - picture.paintedAt;
  if (silent > limit) {
    const words = reported?.state === 'idle' && reported.reason ? reported.reason : `No picture for ${formatSpan(silent)}`;
    return { state: 'stale', text: sentence(words), slow };
  }
  // The first frame after a pause is the newest that the relay held. If it is old, only a second one proves that the stream is live.
  if (picture.painted === 1 && picture.ageAtPaint > limit) return { state: 'waiting', text: '', slow };
  if (reported?.state === 'late') return { state: 'late', text: why(reported, 'Video reaches the relay late'), slow };
  if (reported?.state === 'unknown') return { state: 'late', text: why(reported, 'Unknown state reported by the relay'), slow };
  return { state: 'live', text: outOfSync ? 'Too far behind to sync' : '', slow };
}

/** @param {TileInputs['reported']} reported @param {number} since @param {number} now @param {boolean} pictured @returns {TileStatus} */
function waiting(reported, since, now, pictured) {
  if (reported?.state === 'idle' && reported.reason) return { state: 'idle', text: sentence(reported.reason), slow: false };
  const long = now - since > staleAfter(0);
  if (pictured) return { state: long ? 'stale' : 'waiting', text: long ? 'No new picture' : '', slow: false };
  return { state: 'waiting', text: long ? 'No picture yet' : 'Waiting for the first picture', slow: false };
}

/** @param {{ since: number, reason: string }} gone @param {number} now */
function goneText({ since, reason }, now) {
  return `Gone since ${formatMoment(since, now)}${reason ? `: ${reason}` : ''}`;
}

/** @param {{ reason: string, since: number }} reported @param {number} now */
function frozen(reported, now) {
  return `${why(reported, 'Camera repeats the same picture')} since ${formatMoment(reported.since / 1000, now)}`;
}

/** @param {{ reason: string }} reported @param {string} otherwise */
function why(reported, otherwise) {
  return reported.reason ? sentence(reported.reason) : otherwise;
}

/** Reasons are lower case without a full stop; a tile shows them as a line of their own. @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
