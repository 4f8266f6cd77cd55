// Moments as people read them.

/**
 * Formats a moment in the reader's locale, with the day unless it is today.
 * @param {number} moment @param {number} now milliseconds
 */
export function formatMoment(moment, now) {
  const date = new Date(moment);
  const today = date.toDateString() === new Date(now).toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = today ? {} : { day: 'numeric', month: 'short' };
  const text = date.toLocaleString([], { ...day, hour: '2-digit', minute: '2-digit' });
  // A narrow tile must not break a time into two lines.
  return text.replaceAll(' ', '\u00a0');
}
