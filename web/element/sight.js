// Observes which elements people can see, and how large they are, with one pair of observers for all elements of a page.

/** @typedef {{ width: number, height: number }} Size */
/** @typedef {HTMLElement & { sighted: (seen: boolean) => void, resized: (box: Size) => void }} Observed */

/** Elements this far outside of the window are requested already, so that scrolling shows pictures. The same as on the wall. */
const MARGIN = '20%';

export class Sight {
  #intersections = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) asObserved(target).sighted(isIntersecting);
    },
    { rootMargin: MARGIN },
  );
  #sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) asObserved(target).resized(contentRect);
  });

  /** @param {Observed} element */
  observe(element) {
    this.#intersections.observe(element);
    this.#sizes.observe(element);
  }

  /** @param {Observed} element */
  unobserve(element) {
    this.#intersections.unobserve(element);
    this.#sizes.unobserve(element);
  }
}

/** @param {Element} target */
function asObserved(target) {
  return /** @type {Observed} */ (target);
}
