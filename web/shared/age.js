// Frame age, as a tile shows it: what number, in which words, and when it is too much. Pure; `now` is passed in.

/** Above this a picture is late (amber): people notice half a second when they wave at a camera. */
export const LATE = 500;
/** Above this it is badly late (red). */
export const VERY_LATE = 2000;

/**
 * A tile that was asked for less than this ago is starting: the browser loads the page, makes decoders and fills caches.
 * What is late in this time says nothing about the connection or the device. On two busy cores it takes up to 10 s.
 */
export const START_UP = 10_000;

/** The worker tells of what it painted this often: a picture may be that much newer than what was reported last. */
export const REPORTED_EVERY = 250;

/** @typedef {'fine' | 'late' | 'very-late'} Lateness */

/**
 * From when on a picture that does not change counts as stale: max(2 s, 5 frame intervals).
 * @param {number} interval milliseconds between frames; 0 while unknown
 */
export function staleAfter(interval) {
  return Math.max(2000, 5 * interval);
}

/**
 * The age to show. While frames keep coming it is the age each had when it was painted: that is what the viewer's
 * link and machine make of it, and it does not swing with a slow camera's interval. As soon as the next frame is
 * overdue, it is the age of what is on the screen, and grows.
 * @param {{ ageAtPaint: number, paintedAt: number, interval: number }} picture milliseconds
 * @param {number} now
 */
export function shownAge({ ageAtPaint, paintedAt, interval }, now) {
  const since = Math.max(0, now - paintedAt);
  const overdue = since > REPORTED_EVERY + Math.max(250, 2 * interval);
  return Math.max(0, overdue ? ageAtPaint + since : ageAtPaint);
}

/** @param {number} age milliseconds @returns {Lateness} */
export function lateness(age) {
  if (age > VERY_LATE) return 'very-late';
  return age > LATE ? 'late' : 'fine';
}

/**
 * An age in words as short as they come: "42 ms", "1.4 s", "12 s", "3 min", "5 h".
 * @param {number} age milliseconds
 */
export function formatAge(age) {
  if (age < 999.5) return `${Math.max(0, Math.round(age))} ms`;
  if (age < 9950) return `${(age / 1000).toFixed(1)} s`;
  return formatSpan(age);
}

/**
 * A span in whole units: "0 s", "12 s", "3 min", "5 h", "4 d".
 * @param {number} span milliseconds
 */
export function formatSpan(span) {
  const seconds = Math.max(0, Math.floor(span / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The middle one. @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
