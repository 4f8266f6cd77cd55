// One stream that an element shows: what is known about it, and the canvas on which the worker paints it.

import { element } from '../page/dom.js';
import { WatchedStream } from '../page/watched-stream.js';

/** @typedef {import('../shared/messages.js').ToWorker} ToWorker */
/**
 * The element that shows a stream.
 * @typedef {object} Watcher
 * @property {(stream: EmbeddedStream) => import('../shared/sizes.js').Limits | null} limits the size to request; `null` if it must not be requested
 * @property {() => void} onChange something is new
 * @property {() => void} onUpgrade the relay was upgraded
 * @property {() => void} onClosed the connection was closed, because its worker did not start
 */

export class EmbeddedStream extends WatchedStream {
  /** The viewer's choice for this stream. @type {import('../shared/messages.js').CodecChoice} */
  codec = 'auto';
  canvas = element('canvas');

  /** @param {string} name @param {number} id @param {Watcher} watcher */
  constructor(name, id, watcher) {
    super(name, id);
    this.watcher = watcher;
  }

  /** Returns the message that hands the canvas to the worker, or says that this browser paints on the page's thread. @returns {[ToWorker, Transferable[]]} */
  connectCanvas() {
    if (!('transferControlToOffscreen' in HTMLCanvasElement.prototype)) return [{ type: 'canvas', id: this.id, canvas: null }, []];
    const canvas = this.canvas.transferControlToOffscreen();
    return [{ type: 'canvas', id: this.id, canvas }, [canvas]];
  }

  /** @param {ImageBitmap} bitmap */
  paint(bitmap) {
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
  }
}
