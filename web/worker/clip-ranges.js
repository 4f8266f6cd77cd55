// Splits what a tile remembers into ranges that each fit into one clip, and chooses the ranges to save. Pure.

import { parameterSets } from './annex-b.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('../shared/messages.js').SplitReason} SplitReason */
/** `reasons`: why there is more than one range. `omitted`: ranges not chosen. @typedef {{ ranges: Frame[][], reasons: SplitReason[], omitted: number }} Choice */

/** Frames further apart than this, in microseconds, are not joined: the clip would stand still that long. */
const GAP = 5_000_000;
/** A shorter range, in microseconds, is saved only if the cursor is in it. An example: the JPEGs before the first H.264. */
const MIN_LENGTH = 1_000_000;
/** Clips saved with one key press: browsers ask before they save several files, and more of them are hard to sort. */
export const MAX_CLIPS = 3;

/** JPEG markers that hold the size, and the three within their range that do not. */
const SOF_FIRST = 0xc0;
const SOF_LAST = 0xcf;
const NOT_SOF = [0xc4, 0xc8, 0xcc];

/**
 * Returns the ranges to save: the one at the cursor first, then its neighbours, nearest first.
 * @param {readonly Frame[]} frames in order of arrival, the first a keyframe
 * @param {number} cursor displayed instant, in microseconds of the relay's clock @returns {Choice}
 */
export function chooseRanges(frames, cursor) {
  const { ranges: all, reasons } = splitIntoRanges(frames);
  const ranges = all.filter((range, at) => isWorthAFile(range) || holds(all, at, cursor));
  const held = ranges.findIndex((_, at) => holds(ranges, at, cursor));
  const order = ranges.map((_, at) => at).sort((a, b) => Math.abs(a - held) - Math.abs(b - held) || b - a);
  const chosen = order.slice(0, MAX_CLIPS).flatMap((at) => (ranges[at] ? [ranges[at]] : []));
  return { ranges: chosen, reasons: [...new Set(reasons)], omitted: ranges.length - chosen.length };
}

/** Returns whether the cursor is in a range, or before all of them. @param {readonly Frame[][]} ranges @param {number} at @param {number} cursor */
function holds(ranges, at, cursor) {
  const [begins, ends] = [ranges[at], ranges[at + 1]].map((range) => range?.[0]?.capturedAt ?? Infinity);
  return (at === 0 || (begins ?? 0) <= cursor) && (at === ranges.length - 1 || (ends ?? 0) > cursor);
}

/** @param {readonly Frame[]} range */
function isWorthAFile(range) {
  return (range.at(-1)?.capturedAt ?? 0) - (range[0]?.capturedAt ?? 0) >= MIN_LENGTH;
}

/**
 * Splits frames at the points that one file cannot span.
 * @param {readonly Frame[]} frames @returns {{ ranges: Frame[][], reasons: SplitReason[] }}
 */
export function splitIntoRanges(frames) {
  /** @type {Frame[][]} */
  const ranges = [];
  /** @type {SplitReason[]} */
  const reasons = [];
  /** @type {Frame | null} */
  let keyframe = null;
  for (const frame of frames) {
    const range = ranges.at(-1);
    const reason = range && keyframe ? breakBetween(range, keyframe, frame) : null;
    if (frame.keyframe) keyframe = frame;
    if (range && !reason) join(range, frame);
    else ranges.push([frame]);
    if (reason) reasons.push(reason);
  }
  return { ranges, reasons };
}

/** @param {readonly Frame[]} range @param {Frame} keyframe the last one in it @param {Frame} next @returns {SplitReason | null} */
function breakBetween(range, keyframe, next) {
  const last = range.at(-1);
  if (!next.keyframe) return null;
  if (keyframe.codec !== next.codec) return 'codec';
  if (configOf(keyframe) !== configOf(next)) return keyframe.rendition === next.rendition ? 'settings' : 'size';
  return last && next.capturedAt - last.capturedAt >= GAP ? 'gap' : null;
}

/**
 * Appends a frame. A relay starts with its last keyframe, which may be older than the displayed frame: overlapping frames are
 * removed, so that each moment occurs once.
 * @param {Frame[]} range @param {Frame} next
 */
function join(range, next) {
  if (next.keyframe) while (range.length > 0 && (range.at(-1)?.capturedAt ?? 0) >= next.capturedAt) range.pop();
  range.push(next);
}

/** Returns what all frames of one file have in common. @param {Frame} keyframe */
function configOf({ codec, payload }) {
  return codec === 'h264' ? parameterSets(payload).join() : jpegSize(payload);
}

/** Returns the size of a JPEG as text; empty if it has none. @param {Uint8Array} jpeg */
export function jpegSize(jpeg) {
  for (let at = 2; at + 8 < jpeg.length && jpeg[at] === 0xff; ) {
    const marker = jpeg[at + 1] ?? 0;
    const word = (/** @type {number} */ from) => ((jpeg[from] ?? 0) << 8) | (jpeg[from + 1] ?? 0);
    if (marker >= SOF_FIRST && marker <= SOF_LAST && !NOT_SOF.includes(marker)) return `${word(at + 7)}x${word(at + 5)}`;
    // Any number of fill bytes may precede a marker.
    at += marker === 0xff ? 1 : 2 + Math.max(2, word(at + 2));
  }
  return '';
}
