// The codecs that a viewer can choose. boot.js stores the choice.

/** @typedef {import('../shared/messages.js').CodecChoice} CodecChoice */

/** Choices and their labels, in the order of the key `c`. @type {readonly [CodecChoice, string][]} */
export const CHOICES = [
  ['auto', 'Automatic'],
  ['jpeg', 'JPEG only'],
  ['h264', 'H.264 only'],
];

/** @param {CodecChoice} choice */
export function wordsOf(choice) {
  return CHOICES.find(([one]) => one === choice)?.[1] ?? '';
}

/** @param {CodecChoice} choice */
export function nextAfter(choice) {
  const at = CHOICES.findIndex(([one]) => one === choice);
  return CHOICES[(at + 1) % CHOICES.length]?.[0] ?? 'auto';
}
