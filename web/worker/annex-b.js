// The parts of an H.264 byte stream (Annex B) that the page needs: where its NAL units are, and which decoder it requires.
// Treats its input as untrusted. Pure.

/** Types of NAL units. Only slices, the first five, contain a picture. */
const FIRST_SLICE = 1;
const LAST_SLICE = 5;
const SPS = 7;
const PPS = 8;
/** Parameter sets are at the start of a keyframe. */
const SEARCHED = 4096;

/**
 * Returns the sequence parameter set of a keyframe, without its start code; `null` if it has none at its start.
 * @param {Uint8Array} unit
 */
export function parameterSet(unit) {
  const searched = unit.subarray(0, SEARCHED);
  for (let at = startCode(searched, 0); at !== -1; at = startCode(searched, at)) {
    if (((searched[at] ?? 0) & 0x1f) !== SPS) continue;
    const next = startCode(searched, at);
    const set = searched.subarray(at, next === -1 ? undefined : next - 3);
    return set.byteLength >= 4 ? set : null;
  }
  return null;
}

/**
 * Returns the parameter sets of a keyframe, concatenated. Frames with equal ones can be in one file.
 * @param {Uint8Array} unit @returns {number[]}
 */
export function parameterSets(unit) {
  const searched = unit.subarray(0, SEARCHED);
  /** @type {number[]} */
  const sets = [];
  for (let at = startCode(searched, 0); at !== -1; ) {
    const next = startCode(searched, at);
    const type = (searched[at] ?? 0) & 0x1f;
    if (type >= FIRST_SLICE && type <= LAST_SLICE) break;
    // The start code of the next unit has three bytes, or four with a leading zero.
    if (type === SPS || type === PPS) sets.push(...trimmed(searched.subarray(at, next === -1 ? undefined : next - 3)));
    at = next;
  }
  return sets;
}

/** Removes trailing zeros, which are not part of a unit. @param {Uint8Array} unit */
function trimmed(unit) {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end -= 1;
  return unit.subarray(0, end);
}

/** Returns whether a unit contains picture data. @param {Uint8Array} unit */
export function holdsPicture(unit) {
  for (let at = startCode(unit, 0); at !== -1; at = startCode(unit, at)) {
    const type = (unit[at] ?? 0) & 0x1f;
    if (type >= FIRST_SLICE && type <= LAST_SLICE) return true;
  }
  return false;
}

/** Returns the codec string of WebCodecs: profile, constraints and level from the parameter set. @param {Uint8Array} set */
export function codecString(set) {
  const hex = [...set.subarray(1, 4)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase());
  return `avc1.${hex.join('')}`;
}

/** Returns the index after the next start code; -1 if there is none. @param {Uint8Array} bytes @param {number} from @returns {number} */
function startCode(bytes, from) {
  for (let at = from; at + 3 < bytes.length; at += 1) {
    if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1) return at + 3;
  }
  return -1;
}
