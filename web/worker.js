// The worker: owns the socket and the decoders, and paints. The page's own thread hears of changes and, four times a
// second, of numbers; no frame passes through it.

import { Connection } from './connection.js';
import { Picture } from './picture.js';
// What those two import, named here so that all are fetched in one go and not one after the other.
import './age.js';
import './backoff.js';
import './clock.js';
import './protocol.js';
import './rate.js';

/** @typedef {import('./connection.js').Addresses} Addresses */
/** @typedef {{ stream: string, maxWidth?: number, maxHeight?: number }} Wish */
/**
 * What the page says to its worker.
 * @typedef {{ type: 'open', addresses: Addresses, screen: { maxWidth: number, maxHeight: number } }
 *   | { type: 'watch', id: number, wish: Wish, again?: boolean }
 *   | { type: 'unwatch' | 'forget' | 'shown', id: number }
 *   | { type: 'canvas', id: number, canvas: OffscreenCanvas | null }
 *   | { type: 'wake' }} ToWorker
 */
/**
 * What it hears back. `begun`: the worker asked for this stream by itself. `painted` comes for the first picture and for
 * every change of its size.
 * @typedef {{ type: 'link', link: import('./connection.js').Link }
 *   | { type: 'relay', message: import('./protocol.js').FromRelay }
 *   | { type: 'begun', id: number, stream: string }
 *   | { type: 'painted', id: number, width: number, height: number,
 *       stats: import('./picture.js').PictureStats }
 *   | { type: 'bitmap', id: number, bitmap: ImageBitmap }
 *   | { type: 'stats', offset: number | null, rtt: number | null, malformed: number,
 *       pictures: import('./picture.js').PictureStats[] }} FromWorker
 */

const STATS_EVERY = 250;
/** So many streams are asked for before the page has found a place for them. More would cost a phone too much. */
const MOST_BEGUN = 4;
/** Subscriptions that the worker numbers; the page counts from 1. */
const FIRST_BEGUN = 2 ** 31;
/** Where the page's thread paints: so many bitmaps may be on their way to it, for each picture. */
const MOST_ON_THEIR_WAY = 2;

const now = () => performance.timeOrigin + performance.now();
/** @param {FromWorker} message @param {Transferable[]} [transfer] */
const tell = (message, transfer = []) => self.postMessage(message, { transfer });

/** What is watched, to be said again on every new socket. @type {Map<number, Wish>} */
const wishes = new Map();
/** @type {Map<number, Picture>} */
const pictures = new Map();
/** @type {Map<number, string>} */
const sizes = new Map();
/** @type {Map<number, number>} */
const onTheirWay = new Map();

/** The page's window, in pixels of the screen: no tile is larger. @type {{ maxWidth?: number, maxHeight?: number }} */
let screen = {};
let heardStreams = false;
let clockTold = false;

const connection = new Connection({
  now,
  onOpen() {
    connection.send({ type: 'list' });
    for (const [id, wish] of wishes) {
      pictures.get(id)?.begin();
      watch(id, wish);
    }
  },
  onLink: (link) => tell({ type: 'link', link }),
  onMessage(message) {
    if (message.type === 'streams') beginEarly(message.streams);
    if (message.type === 'track') pictures.get(message.id)?.restartCount();
    tell({ type: 'relay', message });
  },
  onFrame(frame) {
    connection.proven();
    // A frame may still be on its way when its subscription is given up.
    if (wishes.has(frame.id)) pictures.get(frame.id)?.receive(frame);
  },
});

self.onmessage = (/** @type {MessageEvent<ToWorker>} */ { data }) => {
  if (data.type === 'open') {
    screen = data.screen;
    connection.open(data.addresses);
  } else if (data.type === 'watch') begin(data.id, data.wish, data.again);
  else if (data.type === 'unwatch') end(data.id);
  else if (data.type === 'forget') forget(data.id);
  else if (data.type === 'canvas') pictureOf(data.id).paintWith(painter(data.id, data.canvas));
  else if (data.type === 'shown') onTheirWay.set(data.id, Math.max(0, (onTheirWay.get(data.id) ?? 0) - 1));
  else if (data.type === 'wake') connection.wake();
};

setInterval(() => {
  // A wall that shows nothing needs the relay's clock once, to say since when nothing was heard.
  if (wishes.size === 0 && (clockTold || connection.clock.offset === null)) return;
  clockTold = connection.clock.offset !== null;
  const at = now();
  const shown = [...pictures.values()].filter(({ id }) => wishes.has(id)).map((picture) => picture.stats(at));
  const { offset, rtt } = connection.clock;
  tell({ type: 'stats', offset, rtt, malformed: connection.malformed, pictures: shown });
}, STATS_EVERY);

/**
 * The first pictures of a wall are on their way while the page still makes its tiles.
 * @param {readonly import('./protocol.js').StreamInfo[]} streams
 */
function beginEarly(streams) {
  if (!heardStreams && wishes.size === 0) {
    streams.slice(0, MOST_BEGUN).forEach(({ name }, index) => {
      begin(FIRST_BEGUN + index, { stream: name, ...screen });
      tell({ type: 'begun', id: FIRST_BEGUN + index, stream: name });
    });
  }
  heardStreams = true;
}

/** @param {number} id @param {Wish} wish @param {boolean} [again] although it was asked for in the same way */
function begin(id, wish, again = false) {
  const before = wishes.get(id);
  if (!before) pictureOf(id).begin();
  wishes.set(id, wish);
  // The page asks again for what was asked for in its name; the relay would begin anew.
  if (before && !again && sameWish(before, wish)) return;
  watch(id, wish);
}

/** @param {Wish} a @param {Wish} b */
function sameWish(a, b) {
  return a.stream === b.stream && a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight;
}

/** @param {number} id @param {Wish} wish */
function watch(id, { stream, maxWidth, maxHeight }) {
  connection.send({ type: 'watch', id, stream, rendition: 'auto', max_width: maxWidth, max_height: maxHeight });
}

/** @param {number} id */
function end(id) {
  if (wishes.delete(id)) connection.send({ type: 'unwatch', id });
}

/** @param {number} id */
function forget(id) {
  end(id);
  pictures.get(id)?.close();
  pictures.delete(id);
  sizes.delete(id);
  onTheirWay.delete(id);
}

/** @param {number} id */
function pictureOf(id) {
  const known = pictures.get(id);
  if (known) return known;
  const picture = new Picture(id, {
    now,
    decode: (blob) => createImageBitmap(blob),
    offset: () => (connection.clock.offset === null ? null : connection.clock.offset / 1000),
    onPaint({ width, height }) {
      const size = `${width}x${height}`;
      if (sizes.get(id) === size) return;
      sizes.set(id, size);
      tell({ type: 'painted', id, width, height, stats: picture.stats(now()) });
    },
  });
  pictures.set(id, picture);
  return picture;
}

/**
 * Paints on the tile's own canvas, or hands bitmaps to the page's thread where a browser has no OffscreenCanvas.
 * @param {number} id @param {OffscreenCanvas | null} canvas
 * @returns {(bitmap: ImageBitmap) => void}
 */
function painter(id, canvas) {
  if (!canvas) return (bitmap) => handOver(id, bitmap);
  const whole = canvas.getContext('bitmaprenderer');
  if (whole) return (bitmap) => whole.transferFromImageBitmap(bitmap);
  const context = canvas.getContext('2d', { alpha: false });
  return (bitmap) => {
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    context?.drawImage(bitmap, 0, 0);
    bitmap.close();
  };
}

/** @param {number} id @param {ImageBitmap} bitmap */
function handOver(id, bitmap) {
  const waiting = onTheirWay.get(id) ?? 0;
  if (waiting >= MOST_ON_THEIR_WAY) {
    bitmap.close();
    return;
  }
  onTheirWay.set(id, waiting + 1);
  tell({ type: 'bitmap', id, bitmap }, [bitmap]);
}
