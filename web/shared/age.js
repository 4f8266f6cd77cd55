// Frame age as a tile shows it: number, text, and limits. Pure: `now` is an argument.

/** A frame older than this is late (amber): people notice half a second when they wave at a camera. In milliseconds. */
export const LATE = 500;
/** A frame older than this is very late (red). In milliseconds. */
export const VERY_LATE = 2000;

/**
 * A tile requested less than this ago, in milliseconds, is starting: the browser loads the page, creates decoders and fills
 * caches. Delays in this time say nothing about connection or device. On two busy cores the start takes up to 10 s.
 */
export const START_UP = 10_000;

/** Interval between reports of the worker, in milliseconds. The displayed frame may be newer than the last report by this much. */
export const REPORTED_EVERY = 250;

/** @typedef {'fine' | 'late' | 'very-late'} Lateness */

/**
 * Returns after how long an unchanged picture is stale: max(2 s, 5 frame intervals).
 * @param {number} interval milliseconds between frames; 0 while unknown
 */
export function staleAfter(interval) {
  return Math.max(2000, 5 * interval);
}

/** A picture that is not replaced for longer than this has an age that grows, however slow its camera is. In milliseconds. */
const SLOW_CAMERA = 1000;

/**
 * Returns the age to show. While frames arrive it is their age when painted. That is the latency of link and machine, and does
 * not vary with the camera's interval. When the next frame is overdue, and between the frames of a slow camera, it is the age of
 * the displayed frame, and grows.
 * @param {{ ageAtPaint: number, paintedAt: number, interval: number }} picture milliseconds
 * @param {number} now
 */
export function shownAge({ ageAtPaint, paintedAt, interval }, now) {
  const since = Math.max(0, now - paintedAt);
  const overdue = since > REPORTED_EVERY + Math.min(SLOW_CAMERA, Math.max(250, 2 * interval));
  return Math.max(0, overdue ? ageAtPaint + since : ageAtPaint);
}

/** @param {number} age milliseconds @returns {Lateness} */
export function lateness(age) {
  if (age > VERY_LATE) return 'very-late';
  return age > LATE ? 'late' : 'fine';
}

/**
 * Formats an age: "42 ms", "1.4 s", "12 s", "3 min", "5 h".
 * @param {number} age milliseconds
 */
export function formatAge(age) {
  if (age < 999.5) return `${Math.max(0, Math.round(age))} ms`;
  if (age < 9950) return `${(age / 1000).toFixed(1)} s`;
  return formatSpan(age);
}

/**
 * Formats a span in whole units: "0 s", "12 s", "3 min", "5 h", "4 d".
 * @param {number} span milliseconds
 */
export function formatSpan(span) {
  const seconds = Math.max(0, Math.floor(span / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
