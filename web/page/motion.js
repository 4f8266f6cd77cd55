// Animates tiles to their new position, by transform only. Does nothing if the system asks for reduced motion.

/** @typedef {import('./packing.js').Rect} Rect */

const DURATION = 220;
const EASING = 'cubic-bezier(0.2, 0, 0, 1)';

/**
 * Animates an element from where its picture was to where it is now.
 * @param {HTMLElement} target @param {Rect} from @param {Rect} to boxes of the picture, in the viewport
 */
export function moveFrom(target, from, to) {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches || to.width === 0 || from.width === 0) return;
  const scale = from.width / to.width;
  const x = from.x + from.width / 2 - (to.x + to.width / 2);
  const y = from.y + from.height / 2 - (to.y + to.height / 2);
  if (Math.abs(x) < 1 && Math.abs(y) < 1 && Math.abs(scale - 1) < 0.01) return;
  target.classList.add('moving');
  const animation = target.animate(
    [{ transform: `translate(${x}px, ${y}px) scale(${scale})` }, { transform: 'none' }],
    { duration: DURATION, easing: EASING },
  );
  animation.onfinish = animation.oncancel = () => target.classList.remove('moving');
}
