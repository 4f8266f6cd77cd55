// Paints decoded images on a tile's canvas, or passes them as bitmaps to the page's thread.

import { isVideoFrame, sizeOf } from './image.js';

/** @typedef {import('./image.js').Image} Image */
/** Closes the image. @typedef {(image: Image) => void} Paint */

/**
 * Paints on an OffscreenCanvas.
 * @param {OffscreenCanvas} canvas @param {() => boolean} mayShowVideo true if the tile may show H.264 later @returns {Paint}
 */
export function canvasPainter(canvas, mayShowVideo) {
  /** @type {Paint | null} */
  let paint = null;
  // A canvas keeps the first context it is asked for, and each codec is faster with another kind of context.
  return (image) => (paint ??= paintWithContext(canvas, isVideoFrame(image) || mayShowVideo()))(image);
}

/** For browsers without OffscreenCanvas. @param {(bitmap: ImageBitmap) => void} send to the page's thread @returns {Paint} */
export function bitmapPainter(send) {
  return (image) => withBitmap(image, send);
}

/**
 * Runs `act` when the screen shows what was painted last; immediately if the browser has no animation frames in workers.
 * @param {() => void} act
 */
export function onNextScreenFrame(act) {
  if ('requestAnimationFrame' in self) self.requestAnimationFrame(act);
  else act();
}

/** @param {OffscreenCanvas} canvas @param {boolean} video @returns {Paint} */
function paintWithContext(canvas, video) {
  const bitmaps = video ? null : canvas.getContext('bitmaprenderer');
  if (bitmaps) return (image) => withBitmap(image, (bitmap) => bitmaps.transferFromImageBitmap(bitmap));
  const context = canvas.getContext('2d', { alpha: false });
  return (image) => {
    const { width, height } = sizeOf(image);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context?.drawImage(image, 0, 0, width, height);
    image.close();
  };
}

/** @param {Image} image @param {(bitmap: ImageBitmap) => void} use */
function withBitmap(image, use) {
  if (!isVideoFrame(image)) use(image);
  else void createImageBitmap(image).then(use).finally(() => image.close());
}
