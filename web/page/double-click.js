// Recognises double clicks and double taps. Browsers report a double tap in different ways, or not at all.

/** Time between two clicks of a double click, in milliseconds. A slower one counts if the system reports it. */
export const DOUBLE_CLICK = 300;
/** Distance between two taps of a double tap, in pixels: a finger does not hit the same point twice. */
const APART = 30;

/** @typedef {{ detail: number, timeStamp: number, clientX: number, clientY: number }} Click `detail`: 0 if a key clicked */

export class DoubleClick {
  /** @type {Click | null} */
  #first = null;

  /** Returns whether this click is the second of a double click. The next one is a first click again. @param {Click} click */
  isSecond(click) {
    const first = this.#first;
    const second = first !== null && click.detail > 0 && (click.detail === 2 || areClose(first, click));
    this.#first = second || click.detail === 0 ? null : click;
    return second;
  }
}

/** @param {Click} first @param {Click} second */
function areClose(first, second) {
  const apart = Math.hypot(second.clientX - first.clientX, second.clientY - first.clientY);
  return second.timeStamp - first.timeStamp <= DOUBLE_CLICK && apart <= APART;
}
