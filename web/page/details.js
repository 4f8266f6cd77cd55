// The details of a tile, as rows of a name and a value, on a tap or with `i`; and the most important ones as one line, on hover.

import { h264Obstacle } from './codec-choice.js';
import { element, setText } from './dom.js';

export { LatencyBar } from './latency-bar.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/protocol.js').Track} Track */
/** @typedef {import('../shared/messages.js').PlayerStats} PlayerStats */
/** @typedef {import('../shared/sizes.js').Size} Size */
/** @typedef {import('../shared/messages.js').SlowCause} SlowCause */

/** @type {Readonly<Record<SlowCause, string>>} */
const CAUSE = { link: 'slow connection', device: "this device can't keep up", unknown: 'unknown cause' };

/**
 * The state of a tile. `fps`: frame rate of the source.
 * @typedef {{ info: StreamInfo | null, track: Track | null, fps: number, stats: PlayerStats | null, size: Size | null,
 *   slowCause: SlowCause | null, reducedCause: SlowCause | null, decodesH264: boolean }} Facts
 */

/** Returns size, frame rate and codec in one line, and why they are lower than usual. @param {Facts} facts */
export function summaryOf({ track, stats, size, slowCause, reducedCause }) {
  const cause = slowCause ?? reducedCause;
  const parts = [
    size ? formatSize(size) : '',
    stats ? `${formatRate(stats.fps)} fps` : '',
    codecName(stats?.codec || track?.codec || ''),
    cause ? `reduced: ${CAUSE[cause]}` : '',
  ];
  return parts.filter(Boolean).join(' · ');
}

/**
 * Writes rows into a list. It keeps the elements, because people select their text and screen readers are in the middle of them.
 * @param {HTMLElement} list @param {readonly [string, string][]} rows
 */
export function renderRows(list, rows) {
  const texts = rows.flat();
  while (list.children.length > texts.length) list.lastChild?.remove();
  texts.forEach((text, index) => {
    const cell = list.children[index] ?? list.appendChild(element(index % 2 === 0 ? 'dt' : 'dd'));
    setText(cell, text);
  });
}

/** @param {Facts} facts @returns {[string, string][]} */
export function detailRows({ info, track, fps, stats, size, slowCause, reducedCause, decodesH264 }) {
  /** @type {[string, string][]} */
  const rows = [];
  // The displayed frame may have another rendition than the arriving ones while the tile is paused.
  const rendition = track && (track.renditions[stats?.rendition ?? 0] ?? track.rendition);
  if (track) rows.push(['Stream size', `${rendition} · ${codecName(stats?.codec || track.codec)}`]);
  if (stats?.h264Failed) rows.push(['Why JPEG', 'this browser could not decode H.264']);
  const obstacle = info?.tracks.some(({ codec }) => codec === 'h264') ? h264Obstacle(decodesH264) : '';
  if (obstacle) rows.push(['Why JPEG', obstacle]);
  const because = reducedCause && rendition === track?.rendition ? `, reduced: ${CAUSE[reducedCause]}` : '';
  if (size) rows.push(['Resolution', formatSize(size) + because]);
  const others = (info?.tracks ?? []).filter((other) => other.rendition !== rendition && other.width > 0);
  // The same size may exist in two codecs.
  const sizes = new Set(others.map((other) => `${other.rendition} ${formatSize(other)}`));
  if (sizes.size > 0) rows.push(['Other sizes', [...sizes].join(', ')]);
  if (stats) rows.push(['Frame rate', frameRate(stats.fps, fps)]);
  if (slowCause) rows.push(['Lower frame rate', CAUSE[slowCause]]);
  if (stats) rows.push(['Bitrate', formatBitrate(stats.bitrate)]);
  if (stats) rows.push(['Dropped', droppedFrames(stats, info, track)]);
  if (stats) rows.push(['Freezes', freezesIn(stats.freezes)]);
  if (info) rows.push(['Viewers', String(info.viewers)]);
  if (info?.source) rows.push(['Source', info.source]);
  return rows;
}

/** Both rates are measured. The camera's is added if it is higher. @param {number} here @param {number} made */
function frameRate(here, made) {
  const camera = Math.round(made) > Math.round(here) ? ` (camera ${formatRate(made)})` : '';
  return `${formatRate(here)} fps${camera}`;
}

/**
 * Returns every missing frame, by the place where it was dropped or lost.
 * @param {PlayerStats} stats @param {StreamInfo | null} info @param {Track | null} track
 */
function droppedFrames({ missing, dropped, broken }, info, track) {
  const theirs = info?.tracks.find(({ rendition, codec }) => rendition === track?.rendition && codec === track.codec);
  /** @type {[number, string][]} */
  const counts = [
    [theirs?.dropped ?? 0, 'dropped by capture'],
    [theirs?.lost ?? 0, 'lost before the relay'],
    [missing, 'lost on the way'],
    [dropped, 'skipped by this browser'],
    [broken, 'unreadable'],
  ];
  const parts = counts.filter(([count]) => count > 0).map(([count, where]) => `${count} ${where}`);
  return parts.length > 0 ? parts.join(', ') : 'none';
}

/** @param {import('../shared/messages.js').FreezeCount} freezes */
function freezesIn({ count, longest }) {
  return count === 0 ? 'none' : `${count}, longest ${(longest / 1000).toFixed(1)} s`;
}

/** @param {Size} size */
function formatSize({ width, height }) {
  return `${width} × ${height}`;
}

/** @param {string} codec */
function codecName(codec) {
  return { jpeg: 'JPEG', h264: 'H.264' }[codec] ?? codec;
}

/** @param {number} rate */
function formatRate(rate) {
  return rate >= 9.95 ? String(Math.round(rate)) : rate.toFixed(1);
}

/** @param {number} bits a second */
function formatBitrate(bits) {
  if (bits < 1e6) return `${Math.round(bits / 1e3)} kbit/s`;
  return `${(bits / 1e6).toFixed(bits < 1e7 ? 1 : 0)} Mbit/s`;
}
