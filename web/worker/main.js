// The worker: owns the socket and the decoders, and paints. The page's own thread hears of changes and, four times a
// second, of numbers; no frame passes through it.

import { REPORTED_EVERY } from '../shared/age.js';
import { LoopLag, NetworkDelay } from '../shared/blame.js';
import { Connection } from './connection.js';
import { Handovers } from './handovers.js';
import { loadPart, Part } from '../shared/on-demand.js';
import { Picture, sizeOf } from './picture.js';
import { ackText } from '../shared/protocol.js';
import { likelyLimits } from '../shared/sizes.js';

/** @typedef {import('./connection.js').Addresses} Addresses */
/** @typedef {{ stream: string, maxWidth: number, maxHeight: number }} Wish the size in pixels of the screen */
/** @typedef {import('../page/codec-choice.js').CodecChoice} CodecChoice */
/** @typedef {import('./picture.js').Image} Image */
/**
 * What the page says to its worker.
 * @typedef {{ type: 'open', addresses: Addresses, screen: { maxWidth: number, maxHeight: number }, codec: CodecChoice }
 *   | { type: 'codec', codec: CodecChoice }
 *   | { type: 'watch', id: number, wish: Wish, again?: boolean }
 *   | { type: 'unwatch' | 'forget' | 'shown', id: number }
 *   | { type: 'canvas', id: number, canvas: OffscreenCanvas | null }
 *   | { type: 'inform', ids: number[] }
 *   | { type: 'mode', inStep: boolean, frozen: boolean }
 *   | { type: 'step', by: number, unit: 'frame' | 'second' }
 *   | { type: 'seek', back: number, id: number | null }
 *   | { type: 'save', id: number, what: 'picture' }
 *   | { type: 'save', id: number, what: 'clip', rotation: import('../page/layout-store.js').Rotation }
 *   | { type: 'wake' }} ToWorker
 */
/**
 * What it hears back. `begun`: the worker asked for this stream by itself. `painted` comes for the first picture and for
 * every change of its size. `mode` is `null` while no mode was ever asked for.
 * @typedef {{ type: 'link', link: import('./connection.js').Link }
 *   | { type: 'relay', message: import('../shared/protocol.js').FromRelay }
 *   | { type: 'begun', id: number, stream: string, limits: import('../shared/sizes.js').Limits }
 *   | { type: 'painted', id: number, width: number, height: number,
 *       stats: import('./picture.js').PictureStats }
 *   | { type: 'bitmap', id: number, bitmap: ImageBitmap }
 *   | { type: 'journey', id: number, passage: import('../page/journey.js').Passage }
 *   | { type: 'saved', id: number, saved: import('../page/saving.js').Saved | null }
 *   | { type: 'stats', offset: number | null, rtt: number | null, malformed: number, evidence: import('../shared/blame.js').Evidence,
 *       mode: import('./together.js').Mode | null, leftOut: number[],
 *       pictures: import('./picture.js').PictureStats[] }} FromWorker
 */

/** How often the worker's event loop is checked for lag, in milliseconds. A lag that people notice is longer. */
const CHECKED_EVERY = 100;
/** How often a journey is asked for, of every tile whose details are seen. */
const JOURNEY_EVERY = 1000;
/** So many streams are asked for before the page has found a place for them. More would cost a phone too much. */
const MOST_BEGUN = 4;
/** Subscriptions that the worker numbers; the page counts from 1. */
const FIRST_BEGUN = 2 ** 31;

const now = () => performance.timeOrigin + performance.now();
/** @param {FromWorker} message @param {Transferable[]} [transfer] */
const tell = (message, transfer = []) => self.postMessage(message, { transfer });

/** What is watched, to be said again on every new socket. @type {Map<number, Wish>} */
const wishes = new Map();
/** @type {Map<number, Picture>} */
const pictures = new Map();
/** @type {Map<number, string>} */
const sizes = new Map();
const handovers = new Handovers();

/** What the viewer wants frames encoded as. @type {CodecChoice} */
let codec = 'auto';
/** Whether this browser decodes H.264 here: it does so only where nobody can listen in. */
let decodesH264 = false;
/** The streams that have it. @type {ReadonlySet<string>} */
let haveH264 = new Set();
/** The page's window, in pixels of the screen. */
let screen = { maxWidth: 1, maxHeight: 1 };
/** Whose details are seen. @type {number[]} */
let informed = [];
/** @type {import('./together.js').Together | null} */
let together = null;
/** Fetched a moment after the first picture is there, so that nothing of the page waits for it. */
const togetherPart = new Part({
  now,
  load: () => loadPart(() => import('./together.js'), new URL('together.js', import.meta.url)),
  use({ Together }) {
    together = new Together({ now, offset, after, pictures, memory: deviceMemory() });
    change();
  },
});
/** What the page asked for, however early. */
let mode = { inStep: false, frozen: false };
let heardStreams = false;
let clockTold = false;

const networkDelay = new NetworkDelay();
const loopLag = new LoopLag(CHECKED_EVERY);

const platform = typeof VideoDecoder === 'undefined' ? undefined : { VideoDecoder, EncodedVideoChunk };
/** Of the plainest and of the usual profile; what a stream really is stands in its keyframes. */
const PROFILES = ['avc1.42E01F', 'avc1.64001F'];
if (platform) void learnH264();

const connection = new Connection({
  now,
  after,
  onOpen() {
    networkDelay.reset();
    togetherPart.forgive();
    connection.send({ type: 'list' });
    for (const [id, wish] of wishes) {
      pictures.get(id)?.begin();
      watch(id, wish);
    }
  },
  onHalvings: () => watchAgain(),
  onLink: (link) => tell({ type: 'link', link }),
  onMessage(message) {
    if (message.type === 'streams') {
      noteH264(message.streams);
      beginEarly(message.streams);
    }
    if (message.type === 'journey') {
      pictures.get(message.id)?.expect(message);
      return;
    }
    if (message.type === 'track') pictures.get(message.id)?.restartCount();
    if (message.type === 'state' && !flows(message.state)) pictures.get(message.id)?.pause();
    tell({ type: 'relay', message });
  },
  onFrame(frame) {
    connection.proven();
    noteNetwork(frame);
    // A frame may still be on its way when its subscription is given up.
    const picture = wishes.has(frame.id) ? pictures.get(frame.id) : undefined;
    if (!picture) return;
    const arrival = picture.receive(frame);
    if (!arrival) return;
    if (together) together.take(picture, arrival);
    else picture.show(arrival);
  },
});

self.onmessage = (/** @type {MessageEvent<ToWorker>} */ { data }) => {
  if (data.type === 'open') {
    screen = data.screen;
    codec = data.codec;
    connection.open(data.addresses);
  } else if (data.type === 'codec') {
    codec = data.codec;
    for (const picture of pictures.values()) picture.decoders.forgive();
    watchAgain();
  } else if (data.type === 'watch') begin(data.id, data.wish, data.again);
  else if (data.type === 'unwatch') end(data.id);
  else if (data.type === 'forget') forget(data.id);
  else if (data.type === 'canvas') pictureOf(data.id).paintWith(painter(data.id, data.canvas));
  else if (data.type === 'shown') handovers.painted(data.id);
  else if (data.type === 'inform') inform(data.ids);
  else if (data.type === 'mode') {
    mode = data;
    change();
  } else if (data.type === 'step') data.unit === 'frame' ? together?.step(data.by) : together?.jump(data.by);
  else if (data.type === 'seek') {
    together?.seek(data.back, data.id);
    tellStats();
  } else if (data.type === 'save') data.what === 'clip' ? void saveClip(data.id, data.rotation) : savePicture(data.id);
  else if (data.type === 'wake') connection.wake();
};

setInterval(() => {
  // A wall that shows nothing needs the relay's clock once, to say since when nothing was heard.
  if (wishes.size === 0 && (clockTold || connection.clock.offset === null)) return;
  if (sizes.size > 0) togetherPart.need();
  together?.settle();
  tellStats();
}, REPORTED_EVERY);

setInterval(() => askJourneys(informed), JOURNEY_EVERY);
setInterval(() => loopLag.tick(now()), CHECKED_EVERY);

function tellStats() {
  clockTold = connection.clock.offset !== null;
  const at = now();
  // What is frozen can be stepped through also where nothing is asked for any longer.
  const seen = [...pictures.values()].filter(({ id }) => wishes.has(id) || together?.frozen);
  const { offset, rtt } = connection.clock;
  const leftOut = seen.map(({ id }) => id).filter((id) => together?.leavesOut(id));
  const shown = seen.map((picture) => picture.stats(at));
  const evidence = { network: networkDelay.usual(at), lag: loopLag.longest(at) };
  tell({ type: 'stats', offset, rtt, malformed: connection.malformed, evidence, mode: together?.mode ?? null, leftOut, pictures: shown });
}

/** Notes how long a frame was on its way, beyond what the shortest message takes. @param {import('../shared/protocol.js').Frame} frame */
function noteNetwork({ sentAt }) {
  const { offset, rtt } = connection.clock;
  if (offset === null || rtt === null) return;
  const at = now();
  networkDelay.add(at + (offset - sentAt - rtt / 2) / 1000, at);
}

/** @param {import('../shared/protocol.js').ViewerState} state */
const flows = (state) => state === 'live' || state === 'late' || state === 'slow' || state === 'unknown';

/** @param {number[]} ids */
function inform(ids) {
  askJourneys(ids.filter((id) => !informed.includes(id)));
  informed = ids;
}

/** @param {number[]} ids */
function askJourneys(ids) {
  for (const id of ids) if (wishes.has(id)) connection.send({ type: 'journey', id });
}

function change() {
  together?.change(mode.inStep, mode.frozen);
  tellStats();
}

/** In GiB. Only some browsers tell, and only on secure pages. @returns {number | undefined} */
function deviceMemory() {
  const memory = Reflect.get(navigator, 'deviceMemory');
  return typeof memory === 'number' ? memory : undefined;
}

/** The relay's clock less ours, in milliseconds. */
function offset() {
  return connection.clock.offset === null ? null : connection.clock.offset / 1000;
}

/** @param {number} time @param {() => void} act @returns {() => void} calls it off */
function after(time, act) {
  const timer = setTimeout(act, time);
  return () => clearTimeout(timer);
}

/**
 * The first pictures of a wall are on their way while the page still makes its tiles.
 * @param {readonly import('../shared/protocol.js').StreamInfo[]} streams
 */
function beginEarly(streams) {
  if (!heardStreams && wishes.size === 0) {
    const limits = likelyLimits(screen, streams.length);
    streams.slice(0, MOST_BEGUN).forEach(({ name }, index) => {
      begin(FIRST_BEGUN + index, { stream: name, ...limits });
      tell({ type: 'begun', id: FIRST_BEGUN + index, stream: name, limits });
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
  const limits = { max_width: halved(maxWidth), max_height: halved(maxHeight) };
  connection.send({ type: 'watch', id, stream, rendition: 'auto', ack: true, ...limits, ...codecOf(id, stream) });
}

/** Scales a requested size down for a slow link. @param {number} length */
function halved(length) {
  return Math.max(1, Math.ceil(length / 2 ** connection.halvings));
}

/**
 * JPEG is what a relay sends to those who ask for nothing else: also as a tile's first picture, which it shows sooner by a
 * tenth of a second, as long as it takes a browser to make a decoder of H.264.
 * @param {number} id @param {string} stream
 */
function codecOf(id, stream) {
  if (!mayHaveH264(id) || (codec === 'auto' && !sizes.has(id))) return {};
  // A tile of a stream that has none must not stay dark.
  return { codec: codec === 'h264' && haveH264.has(stream) ? 'h264' : 'auto' };
}

/** @param {number} id */
function mayHaveH264(id) {
  return codec !== 'jpeg' && decodesH264 && !pictures.get(id)?.decoders.incapable;
}

function watchAgain() {
  for (const [id, wish] of wishes) watch(id, wish);
}

/** @param {readonly import('../shared/protocol.js').StreamInfo[]} streams */
function noteH264(streams) {
  const having = streams.filter(({ tracks }) => tracks.some(({ codec }) => codec === 'h264'));
  haveH264 = new Set(having.map(({ name }) => name));
}

/** Takes a browser about a millisecond, so that it is usually known before the socket is open. */
async function learnH264() {
  const known = PROFILES.map((codec) => VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true }));
  const supported = await Promise.all(known).catch(() => []);
  decodesH264 = supported.length > 0 && supported.every((one) => one.supported === true);
  // Whoever was asked for as JPEG, and would be again, is not asked for twice: the relay would begin anew.
  for (const [id, wish] of wishes) if ('codec' in codecOf(id, wish.stream)) watch(id, wish);
}

/** @param {number} id */
function end(id) {
  if (wishes.delete(id)) connection.send({ type: 'unwatch', id });
  pictures.get(id)?.rest();
}

/** @param {number} id */
function forget(id) {
  end(id);
  pictures.get(id)?.close();
  pictures.delete(id);
  together?.forget(id);
  sizes.delete(id);
  handovers.forget(id);
}

/** What is on a tile, as it came. H.264 of one picture is none: the page takes it off the screen. @param {number} id */
function savePicture(id) {
  const frame = pictures.get(id)?.shown;
  const blob = frame?.codec === 'jpeg' ? new Blob([frame.payload], { type: 'image/jpeg' }) : null;
  const saved = frame ? { what: /** @type {const} */ ('picture'), blob, from: frame.capturedAt, rendition: frame.rendition } : null;
  tell({ type: 'saved', id, saved: saved ?? { what: 'nothing' } });
}

/** @param {number} id @param {import('../page/layout-store.js').Rotation} rotation */
async function saveClip(id, rotation) {
  const remembered = together?.clip(id) ?? { frames: [], cursor: Infinity, cut: false };
  const part = loadPart(() => import('./clip.js'), new URL('clip.js', import.meta.url));
  const saved = await part.then(({ makeClips }) => makeClips(remembered, rotation)).catch(() => null);
  tell({ type: 'saved', id, saved });
}

/** @param {number} id */
function pictureOf(id) {
  const known = pictures.get(id);
  if (known) return known;
  /** @type {Picture} */
  const picture = new Picture(id, {
    now,
    offset,
    decode: (blob) => createImageBitmap(blob),
    platform,
    onLost: () => wishes.has(id) && connection.send({ type: 'keyframe', id }),
    onCapability() {
      const wish = wishes.get(id);
      if (wish) watch(id, wish);
    },
    early: (arrival) => together?.early(picture, arrival) ?? 0,
    after,
    onPaint: (size) => painted(picture, size),
    onTravelled: (way) => travelled(id, way),
    onDone(sequence) {
      if (wishes.has(id)) connection.sendText(ackText(id, sequence));
    },
  });
  pictures.set(id, picture);
  return picture;
}

/** @param {Picture} picture @param {import('./picture.js').Size} size */
function painted(picture, { width, height }) {
  if (together?.frozen) tellStats();
  const { id } = picture;
  const size = `${width}x${height}`;
  if (sizes.get(id) === size) return;
  const first = !sizes.has(id);
  sizes.set(id, size);
  const wish = wishes.get(id);
  if (first && wish && codec === 'auto' && haveH264.has(wish.stream) && mayHaveH264(id)) watch(id, wish);
  tell({ type: 'painted', id, width, height, stats: picture.stats(now()) });
}

/** @param {number} id @param {import('./picture.js').Travelled} way */
function travelled(id, { decodedAt, held, ...way }) {
  const ahead = offset();
  if (ahead === null) return;
  onScreen(() => {
    const passage = { ...way, offset: ahead, held, decodedAt, paintedAt: now() - held };
    tell({ type: 'journey', id, passage });
  });
}

/**
 * What was painted is seen with the screen's next frame; where a worker hears nothing of those, when it was handed over.
 * @param {() => void} then
 */
function onScreen(then) {
  if ('requestAnimationFrame' in self) self.requestAnimationFrame(then);
  else then();
}

/**
 * Paints on the tile's own canvas, or hands bitmaps to the page's thread where a browser has no OffscreenCanvas.
 * @param {number} id @param {OffscreenCanvas | null} canvas
 * @returns {(image: Image) => void}
 */
function painter(id, canvas) {
  if (!canvas) return (image) => withBitmap(image, (bitmap) => handOver(id, bitmap));
  /** @type {((image: Image) => void) | null} */
  let paint = null;
  // A canvas is of one kind for ever, and each codec has one that it is quicker with.
  return (image) => (paint ??= painterOf(canvas, isVideo(image) || mayHaveH264(id)))(image);
}

/** @param {OffscreenCanvas} canvas @param {boolean} video @returns {(image: Image) => void} */
function painterOf(canvas, video) {
  const whole = video ? null : canvas.getContext('bitmaprenderer');
  if (whole) return (image) => withBitmap(image, (bitmap) => whole.transferFromImageBitmap(bitmap));
  const context = canvas.getContext('2d', { alpha: false });
  return (image) => {
    const { width, height } = sizeOf(image);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context?.drawImage(image, 0, 0, width, height);
    image.close();
  };
}

/** @param {Image} image @returns {image is VideoFrame} */
const isVideo = (image) => 'displayWidth' in image;

/** @param {Image} image @param {(bitmap: ImageBitmap) => void} use */
function withBitmap(image, use) {
  if (!isVideo(image)) use(image);
  else void createImageBitmap(image).then(use).finally(() => image.close());
}

/** @param {number} id @param {ImageBitmap} bitmap */
function handOver(id, bitmap) {
  if (handovers.maySend(id, now())) tell({ type: 'bitmap', id, bitmap }, [bitmap]);
  else bitmap.close();
}
