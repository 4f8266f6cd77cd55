// The worker: owns the socket and the decoders, and paints. The page's own thread hears of changes and, four times a
// second, of numbers; no frame passes through it.

import { REPORTED_EVERY } from '../shared/age.js';
import { LoopLag, NetworkDelay } from '../shared/slow-cause.js';
import { Connection } from './connection.js';
import { BitmapWindow } from './bitmap-window.js';
import { loadModule, LazyModule } from '../shared/lazy-module.js';
import { Player, sizeOf } from './player.js';
import { ackText } from '../shared/protocol.js';
import { likelyLimits } from '../shared/sizes.js';

/** @typedef {import('./connection.js').Addresses} Addresses */
/** @typedef {{ stream: string, maxWidth: number, maxHeight: number }} StreamRequest the size in pixels of the screen */
/** @typedef {import('../page/codec-choice.js').CodecChoice} CodecChoice */
/** @typedef {import('./player.js').Image} Image */
/**
 * What the page says to its worker.
 * @typedef {{ type: 'open', addresses: Addresses, screen: { maxWidth: number, maxHeight: number }, codec: CodecChoice }
 *   | { type: 'codec', codec: CodecChoice }
 *   | { type: 'watch', id: number, request: StreamRequest, again?: boolean }
 *   | { type: 'unwatch' | 'forget' | 'bitmap-painted', id: number }
 *   | { type: 'canvas', id: number, canvas: OffscreenCanvas | null }
 *   | { type: 'details', ids: number[] }
 *   | { type: 'mode', synced: boolean, paused: boolean }
 *   | { type: 'step', by: number, unit: 'frame' | 'second' }
 *   | { type: 'seek', back: number, id: number | null }
 *   | { type: 'save', id: number, what: 'picture' }
 *   | { type: 'save', id: number, what: 'clip', rotation: import('../page/layout-store.js').Rotation }
 *   | { type: 'wake' }} ToWorker
 */
/**
 * What it hears back. `subscribed`: the worker asked for this stream by itself. `painted` comes for the first player and for
 * every change of its size. `mode` is `null` while no mode was ever asked for.
 * @typedef {{ type: 'link', link: import('./connection.js').Link }
 *   | { type: 'relay', message: import('../shared/protocol.js').FromRelay }
 *   | { type: 'subscribed', id: number, stream: string, limits: import('../shared/sizes.js').Limits }
 *   | { type: 'painted', id: number, width: number, height: number,
 *       stats: import('./player.js').PlayerStats }
 *   | { type: 'bitmap', id: number, bitmap: ImageBitmap }
 *   | { type: 'timing', id: number, timing: import('../page/latency-breakdown.js').FrameTiming }
 *   | { type: 'saved', id: number, saved: import('../page/saving.js').Saved | null }
 *   | { type: 'stats', offset: number | null, rtt: number | null, malformed: number, evidence: import('../shared/slow-cause.js').Evidence,
 *       mode: import('./sync.js').Mode | null, outOfSync: number[],
 *       pictures: import('./player.js').PlayerStats[] }} FromWorker
 */

/** How often the worker's event loop is checked for lag, in milliseconds. A lag that people notice is longer. */
const CHECKED_EVERY = 100;
/** How often a journey is asked for, of every tile whose details are seen. */
const JOURNEY_EVERY = 1000;
/** So many streams are asked for before the page has found a place for them. More would cost a phone too much. */
const MAX_EARLY = 4;
/** Subscriptions that the worker numbers; the page counts from 1. */
const FIRST_EARLY_ID = 2 ** 31;

const now = () => performance.timeOrigin + performance.now();
/** @param {FromWorker} message @param {Transferable[]} [transfer] */
const post = (message, transfer = []) => self.postMessage(message, { transfer });

/** What is watched, to be said again on every new socket. @type {Map<number, StreamRequest>} */
const requests = new Map();
/** @type {Map<number, Player>} */
const players = new Map();
/** @type {Map<number, string>} */
const sizes = new Map();
const bitmaps = new BitmapWindow();

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
/** @type {import('./sync.js').Sync | null} */
let sync = null;
/** Fetched a moment after the first player is there, so that nothing of the page waits for it. */
const syncModule = new LazyModule({
  now,
  load: () => loadModule(() => import('./sync.js'), new URL('sync.js', import.meta.url)),
  use({ Sync }) {
    sync = new Sync({ now, offset, after, players, memory: deviceMemory() });
    change();
  },
});
/** What the page asked for, however early. */
let mode = { synced: false, paused: false };
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
    syncModule.retryNow();
    connection.send({ type: 'list' });
    for (const [id, request] of requests) {
      players.get(id)?.start();
      watch(id, request);
    }
  },
  onScaleChange: () => watchAgain(),
  onLink: (link) => post({ type: 'link', link }),
  onMessage(message) {
    if (message.type === 'streams') {
      noteH264(message.streams);
      subscribeEarly(message.streams);
    }
    if (message.type === 'journey') {
      players.get(message.id)?.expect(message);
      return;
    }
    if (message.type === 'track') players.get(message.id)?.restartTrack();
    if (message.type === 'state' && !flows(message.state)) players.get(message.id)?.expectGap();
    post({ type: 'relay', message });
  },
  onFrame(frame) {
    connection.proven();
    noteNetwork(frame);
    // A frame may still be on its way when its subscription is given up.
    const player = requests.has(frame.id) ? players.get(frame.id) : undefined;
    if (!player) return;
    const arrival = player.receive(frame);
    if (!arrival) return;
    if (sync) sync.receive(player, arrival);
    else player.show(arrival);
  },
});

self.onmessage = (/** @type {MessageEvent<ToWorker>} */ { data }) => {
  if (data.type === 'open') {
    screen = data.screen;
    codec = data.codec;
    connection.open(data.addresses);
  } else if (data.type === 'codec') {
    codec = data.codec;
    for (const player of players.values()) player.decoders.retryH264();
    watchAgain();
  } else if (data.type === 'watch') watchStream(data.id, data.request, data.again);
  else if (data.type === 'unwatch') unwatchStream(data.id);
  else if (data.type === 'forget') forget(data.id);
  else if (data.type === 'canvas') pictureOf(data.id).paintWith(painter(data.id, data.canvas));
  else if (data.type === 'bitmap-painted') bitmaps.painted(data.id);
  else if (data.type === 'details') inform(data.ids);
  else if (data.type === 'mode') {
    mode = data;
    change();
  } else if (data.type === 'step') data.unit === 'frame' ? sync?.step(data.by) : sync?.jump(data.by);
  else if (data.type === 'seek') {
    sync?.seek(data.back, data.id);
    postStats();
  } else if (data.type === 'save') data.what === 'clip' ? void saveClip(data.id, data.rotation) : savePicture(data.id);
  else if (data.type === 'wake') connection.wake();
};

setInterval(() => {
  // A wall that shows nothing needs the relay's clock once, to say since when nothing was heard.
  if (requests.size === 0 && (clockTold || connection.clock.offset === null)) return;
  if (sizes.size > 0) syncModule.request();
  sync?.update();
  postStats();
}, REPORTED_EVERY);

setInterval(() => askJourneys(informed), JOURNEY_EVERY);
setInterval(() => loopLag.tick(now()), CHECKED_EVERY);

function postStats() {
  clockTold = connection.clock.offset !== null;
  const at = now();
  // What is paused can be stepped through also where nothing is asked for any longer.
  const seen = [...players.values()].filter(({ id }) => requests.has(id) || sync?.paused);
  const { offset, rtt } = connection.clock;
  const outOfSync = seen.map(({ id }) => id).filter((id) => sync?.excludes(id));
  const shown = seen.map((player) => player.stats(at));
  const evidence = { network: networkDelay.usual(at), lag: loopLag.longest(at) };
  post({ type: 'stats', offset, rtt, malformed: connection.malformed, evidence, mode: sync?.mode ?? null, outOfSync, pictures: shown });
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
  for (const id of ids) if (requests.has(id)) connection.send({ type: 'journey', id });
}

function change() {
  sync?.setMode(mode.synced, mode.paused);
  postStats();
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
 * The first players of a wall are on their way while the page still makes its tiles.
 * @param {readonly import('../shared/protocol.js').StreamInfo[]} streams
 */
function subscribeEarly(streams) {
  if (!heardStreams && requests.size === 0) {
    const limits = likelyLimits(screen, streams.length);
    streams.slice(0, MAX_EARLY).forEach(({ name }, index) => {
      watchStream(FIRST_EARLY_ID + index, { stream: name, ...limits });
      post({ type: 'subscribed', id: FIRST_EARLY_ID + index, stream: name, limits });
    });
  }
  heardStreams = true;
}

/** @param {number} id @param {StreamRequest} request @param {boolean} [again] although it was asked for in the same way */
function watchStream(id, request, again = false) {
  const before = requests.get(id);
  if (!before) pictureOf(id).start();
  requests.set(id, request);
  // The page asks again for what was asked for in its name; the relay would begin anew.
  if (before && !again && sameRequest(before, request)) return;
  watch(id, request);
}

/** @param {StreamRequest} a @param {StreamRequest} b */
function sameRequest(a, b) {
  return a.stream === b.stream && a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight;
}

/** @param {number} id @param {StreamRequest} request */
function watch(id, { stream, maxWidth, maxHeight }) {
  const limits = { max_width: halved(maxWidth), max_height: halved(maxHeight) };
  connection.send({ type: 'watch', id, stream, rendition: 'auto', ack: true, ...limits, ...codecOf(id, stream) });
}

/** Scales a requested size down for a slow link. @param {number} length */
function halved(length) {
  return Math.max(1, Math.ceil(length / 2 ** connection.halvings));
}

/**
 * JPEG is what a relay sends to those who ask for nothing else: also as a tile's first player, which it shows sooner by a
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
  return codec !== 'jpeg' && decodesH264 && !players.get(id)?.decoders.h264Failed;
}

function watchAgain() {
  for (const [id, request] of requests) watch(id, request);
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
  for (const [id, request] of requests) if ('codec' in codecOf(id, request.stream)) watch(id, request);
}

/** @param {number} id */
function unwatchStream(id) {
  if (requests.delete(id)) connection.send({ type: 'unwatch', id });
  players.get(id)?.suspend();
}

/** @param {number} id */
function forget(id) {
  unwatchStream(id);
  players.get(id)?.close();
  players.delete(id);
  sync?.forget(id);
  sizes.delete(id);
  bitmaps.forget(id);
}

/** What is on a tile, as it came. H.264 of one player is none: the page takes it off the screen. @param {number} id */
function savePicture(id) {
  const frame = players.get(id)?.shown;
  const blob = frame?.codec === 'jpeg' ? new Blob([frame.payload], { type: 'image/jpeg' }) : null;
  const saved = frame ? { what: /** @type {const} */ ('picture'), blob, from: frame.capturedAt, rendition: frame.rendition } : null;
  post({ type: 'saved', id, saved: saved ?? { what: 'nothing' } });
}

/** @param {number} id @param {import('../page/layout-store.js').Rotation} rotation */
async function saveClip(id, rotation) {
  const remembered = sync?.clip(id) ?? { frames: [], cursor: Infinity, truncated: false };
  const part = loadModule(() => import('./clip.js'), new URL('clip.js', import.meta.url));
  const saved = await part.then(({ makeClips }) => makeClips(remembered, rotation)).catch(() => null);
  post({ type: 'saved', id, saved });
}

/** @param {number} id */
function pictureOf(id) {
  const known = players.get(id);
  if (known) return known;
  /** @type {Player} */
  const player = new Player(id, {
    now,
    offset,
    decode: (blob) => createImageBitmap(blob),
    platform,
    onKeyframeNeeded: () => requests.has(id) && connection.send({ type: 'keyframe', id }),
    onSupportChange() {
      const request = requests.get(id);
      if (request) watch(id, request);
    },
    timeUntilDue: (arrival) => sync?.timeUntilDue(player, arrival) ?? 0,
    after,
    onPaint: (size) => painted(player, size),
    onTimed: (way) => travelled(id, way),
    onAcknowledge(sequence) {
      if (requests.has(id)) connection.sendText(ackText(id, sequence));
    },
  });
  players.set(id, player);
  return player;
}

/** @param {Player} player @param {import('./player.js').Size} size */
function painted(player, { width, height }) {
  if (sync?.paused) postStats();
  const { id } = player;
  const size = `${width}x${height}`;
  if (sizes.get(id) === size) return;
  const first = !sizes.has(id);
  sizes.set(id, size);
  const request = requests.get(id);
  if (first && request && codec === 'auto' && haveH264.has(request.stream) && mayHaveH264(id)) watch(id, request);
  post({ type: 'painted', id, width, height, stats: player.stats(now()) });
}

/** @param {number} id @param {import('./player.js').TimedFrame} way */
function travelled(id, { decodedAt, held, ...way }) {
  const ahead = offset();
  if (ahead === null) return;
  onScreen(() => {
    const timing = { ...way, offset: ahead, held, decodedAt, paintedAt: now() - held };
    post({ type: 'timing', id, timing });
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
  if (bitmaps.maySend(id, now())) post({ type: 'bitmap', id, bitmap }, [bitmap]);
  else bitmap.close();
}
