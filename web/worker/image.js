// Decoded images: a bitmap of a JPEG, or a video frame of H.264.

/** Has one owner, which closes it. @typedef {ImageBitmap | VideoFrame} Image */
/** @typedef {{ width: number, height: number }} Size */

/** @param {Image} image @returns {Size} */
export function sizeOf(image) {
  if (isVideoFrame(image)) return { width: image.displayWidth, height: image.displayHeight };
  return { width: image.width, height: image.height };
}

/** @param {Image} image @returns {image is VideoFrame} */
export function isVideoFrame(image) {
  return 'displayWidth' in image;
}
