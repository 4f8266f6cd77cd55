// The codecs that a viewer can choose. boot.js stores the choice.

/** @typedef {import('../shared/messages.js').CodecChoice} CodecChoice */

/** Choices and their labels, in the order of the key `c`. @type {readonly [CodecChoice, string][]} */
export const CHOICES = [
  ['auto', 'Automatic'],
  ['jpeg', 'JPEG only'],
  ['h264', 'H.264 only'],
];

/**
 * Returns why H.264 is no choice; empty if it is one. Browsers offer their decoder on secure pages only.
 * @param {boolean} decodesH264 @param {boolean} [secure]
 */
export function h264Obstacle(decodesH264, secure = isSecureContext) {
  if (decodesH264) return '';
  return secure ? 'this browser does not decode H.264' : 'H.264 needs HTTPS';
}

/** Returns the format of a page that has no choice, and why. @param {string} obstacle */
export function onlyFormat(obstacle) {
  return `JPEG (${obstacle})`;
}

/** @param {CodecChoice} choice */
export function wordsOf(choice) {
  return CHOICES.find(([one]) => one === choice)?.[1] ?? '';
}

/** @param {CodecChoice} choice */
export function nextAfter(choice) {
  const at = CHOICES.findIndex(([one]) => one === choice);
  return CHOICES[(at + 1) % CHOICES.length]?.[0] ?? 'auto';
}
