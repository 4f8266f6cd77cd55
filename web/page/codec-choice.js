// What frames are to be encoded as, as the viewer wants it; live.js remembers it.

/** `auto`: H.264 where this browser decodes it and the relay has it. @typedef {'auto' | 'h264' | 'jpeg'} CodecChoice */

/** In the order in which a key goes through them; in words for people. @type {readonly [CodecChoice, string][]} */
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
