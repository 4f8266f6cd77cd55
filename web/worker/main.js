// The worker: owns the socket and the decoders, and paints. The page's thread gets state changes and, four times a second,
// statistics. No frame passes through it.

import { REPORTED_EVERY } from '../shared/age.js';
import { LazyModule, loadModule } from '../shared/lazy-module.js';
import { ackText } from '../shared/protocol.js';
import { BitmapWindow } from './bitmap-window.js';
import { Connection } from './connection.js';
import { supportsH264, webCodecs } from './h264-support.js';
import { bitmapPainter, canvasPainter, onNextScreenFrame } from './painter.js';
import { Player } from './player.js';
import { LoopLag, NetworkDelay } from './slow-evidence.js';
import { Subscriptions } from './subscriptions.js';

/** @typedef {import('../shared/messages.js').ToWorker} ToWorker */
/** @typedef {import('../shared/messages.js').FromWorker} FromWorker */
/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {import('../shared/protocol.js').Frame} Frame */

/** Interval between checks of the event loop's lag, in milliseconds. A lag that people notice is longer. */
const LAG_CHECKED_EVERY = 100;
/** Interval between requests for the journey of a frame, for each tile whose details are open. In milliseconds. */
const JOURNEY_EVERY = 1000;

const now = () => performance.timeOrigin + performance.now();
/** @param {FromWorker} message @param {Transferable[]} [transfer] */
const post = (message, transfer = []) => self.postMessage(message, { transfer });

/** @type {Map<number, Player>} */
const players = new Map();
/** Size of the picture on each tile, as text. @type {Map<number, string>} */
const paintedSizes = new Map();
const bitmaps = new BitmapWindow();
const networkDelay = new NetworkDelay();
const loopLag = new LoopLag(LAG_CHECKED_EVERY);
const platform = webCodecs();

/** False if the page shows single streams: then none is requested by itself, and no history is kept. */
let wall = true;
/** The page's window, in screen pixels. */
let screen = { maxWidth: 1, maxHeight: 1 };
/** Tiles whose details are open. @type {number[]} */
let detailsIds = [];
/** The mode that the page requested, even before the sync module was loaded. */
let mode = { synced: false, paused: false };
let clockPosted = false;

const subscriptions = new Subscriptions({
  send: (message) => connection.send(message),
  halvings: () => connection.halvings,
  isPainted: (id) => paintedSizes.has(id),
  h264Failed: (id) => players.get(id)?.decoders.h264Failed ?? false,
  onStart: (id) => playerOf(id).start(),
  onEarly: (id, stream, limits) => post({ type: 'subscribed', id, stream, limits }),
});

/** @type {import('./sync.js').Sync | null} */
let sync = null;
/** Loaded a moment after the first picture, so that no picture waits for it. */
const syncModule = new LazyModule({
  now,
  load: () => loadModule(() => import('./sync.js'), new URL('sync.js', import.meta.url)),
  use({ Sync }) {
    sync = new Sync({ now, offset, after, players, memory: deviceMemory() });
    applyMode();
  },
});

const connection = new Connection({
  now,
  after,
  onOpen() {
    networkDelay.reset();
    syncModule.retryNow();
    connection.send({ type: 'list' });
    for (const id of subscriptions.ids) players.get(id)?.start();
    subscriptions.renewAll();
  },
  onScaleChange: () => subscriptions.renewAll(),
  onLink: (link) => post({ type: 'link', link }),
  onMessage: receive,
  onFrame: receiveFrame,
});

if (platform) void supportsH264().then(setH264);
else setH264(false);

self.onmessage = (/** @type {MessageEvent<ToWorker>} */ { data }) => {
  if (data.type === 'open') {
    ({ screen, wall } = data);
    subscriptions.chooseCodec(data.codec);
    connection.open(data.addresses);
  } else if (data.type === 'codec') {
    subscriptions.chooseCodec(data.codec);
    for (const player of players.values()) player.decoders.retryH264();
    subscriptions.renewAll();
  } else if (data.type === 'watch') subscriptions.start(data.id, data.request, data.again);
  else if (data.type === 'unwatch') unwatch(data.id);
  else if (data.type === 'forget') forget(data.id);
  else if (data.type === 'canvas') attachCanvas(data.id, data.canvas);
  else if (data.type === 'bitmap-painted') bitmaps.painted(data.id);
  else if (data.type === 'details') setDetails(data.ids);
  else if (data.type === 'mode') {
    mode = data;
    applyMode();
  } else if (data.type === 'step') data.unit === 'frame' ? sync?.step(data.by, data.id) : sync?.jump(data.by);
  else if (data.type === 'seek') {
    sync?.seek(data.back, data.id);
    postStats();
  } else if (data.type === 'save') data.what === 'clip' ? void saveClip(data.id, data.rotation) : savePicture(data.id);
  else if (data.type === 'wake') connection.wake();
};

setInterval(() => {
  // A wall without streams needs the relay's clock once, to show since when the relay has been listening.
  if (subscriptions.size === 0 && (clockPosted || connection.clock.offset === null)) return;
  if (wall && paintedSizes.size > 0) syncModule.request();
  sync?.update();
  postStats();
}, REPORTED_EVERY);

setInterval(() => requestJourneys(detailsIds), JOURNEY_EVERY);
setInterval(() => loopLag.tick(now()), LAG_CHECKED_EVERY);

/** @param {boolean} supported */
function setH264(supported) {
  if (supported) subscriptions.enableH264();
  post({ type: 'h264', supported });
}

/** @param {import('../shared/protocol.js').FromRelay} message */
function receive(message) {
  if (message.type === 'streams') subscriptions.streamsListed(message.streams, wall ? screen : null);
  if (message.type === 'journey') {
    players.get(message.id)?.expect(message);
    return;
  }
  if (message.type === 'track') players.get(message.id)?.restartTrack();
  if (message.type === 'state' && !isFlowing(message.state)) players.get(message.id)?.expectGap();
  post({ type: 'relay', message });
}

/** @param {import('../shared/protocol.js').ViewerState} state */
function isFlowing(state) {
  return state === 'live' || state === 'late' || state === 'frozen' || state === 'slow' || state === 'unknown';
}

/** @param {Frame} frame */
function receiveFrame(frame) {
  connection.proven();
  measureNetwork(frame);
  // A frame may still be in flight when its subscription ends.
  const player = subscriptions.has(frame.id) ? players.get(frame.id) : undefined;
  const arrival = player?.receive(frame);
  if (!player || !arrival) return;
  if (sync) sync.receive(player, arrival);
  else player.show(arrival);
}

/** Measures how long a frame was on the network, beyond the shortest way. @param {Frame} frame */
function measureNetwork({ sentAt }) {
  const { offset, rtt } = connection.clock;
  if (offset === null || rtt === null) return;
  const at = now();
  networkDelay.add(at + (offset - sentAt - rtt / 2) / 1000, at);
}

function postStats() {
  const { offset, rtt } = connection.clock;
  const at = now();
  // A paused tile can be stepped through even if its stream is not watched.
  const seen = [...players.values()].filter(({ id }) => subscriptions.has(id) || sync?.paused);
  clockPosted = offset !== null;
  post({
    type: 'stats',
    offset,
    rtt,
    malformed: connection.malformed,
    evidence: { network: networkDelay.usual(at), lag: loopLag.longest(at) },
    mode: sync?.mode ?? null,
    outOfSync: seen.map(({ id }) => id).filter((id) => sync?.excludes(id)),
    players: seen.map((player) => player.stats(at)),
  });
}

/** @param {number[]} ids */
function setDetails(ids) {
  requestJourneys(ids.filter((id) => !detailsIds.includes(id)));
  detailsIds = ids;
}

/** @param {number[]} ids */
function requestJourneys(ids) {
  for (const id of ids) if (subscriptions.has(id)) connection.send({ type: 'journey', id });
}

function applyMode() {
  sync?.setMode(mode.synced, mode.paused);
  postStats();
}

/** In GiB. Only some browsers report it, and only on secure pages. @returns {number | undefined} */
function deviceMemory() {
  const memory = Reflect.get(navigator, 'deviceMemory');
  return typeof memory === 'number' ? memory : undefined;
}

/** Relay's clock minus ours, in milliseconds. */
function offset() {
  return connection.clock.offset === null ? null : connection.clock.offset / 1000;
}

/** @param {number} time @param {() => void} act @returns {() => void} cancels it */
function after(time, act) {
  const timer = setTimeout(act, time);
  return () => clearTimeout(timer);
}

/** @param {number} id */
function unwatch(id) {
  subscriptions.stop(id);
  players.get(id)?.suspend();
}

/** @param {number} id */
function forget(id) {
  unwatch(id);
  players.get(id)?.close();
  players.delete(id);
  sync?.forget(id);
  paintedSizes.delete(id);
  bitmaps.forget(id);
}

/** Saves the displayed picture as received. An H.264 frame alone is no picture: the page reads it off the canvas. @param {number} id */
function savePicture(id) {
  const frame = players.get(id)?.shown;
  const blob = frame?.codec === 'jpeg' ? new Blob([frame.payload], { type: 'image/jpeg' }) : null;
  const saved = frame ? { what: /** @type {const} */ ('picture'), blob, from: frame.capturedAt, rendition: frame.rendition } : null;
  post({ type: 'saved', id, saved: saved ?? { what: 'nothing' } });
}

/** @param {number} id @param {Rotation} rotation */
async function saveClip(id, rotation) {
  const remembered = sync?.clip(id) ?? { frames: [], cursor: Infinity, truncated: false };
  const module = loadModule(() => import('./clip.js'), new URL('clip.js', import.meta.url));
  const saved = await module.then(({ makeClips }) => makeClips(remembered, rotation)).catch(() => null);
  post({ type: 'saved', id, saved });
}

/** @param {number} id */
function playerOf(id) {
  const known = players.get(id);
  if (known) return known;
  /** @type {Player} */
  const player = new Player(id, {
    now,
    offset,
    decode: (blob) => createImageBitmap(blob),
    platform,
    onKeyframeNeeded: () => subscriptions.has(id) && connection.send({ type: 'keyframe', id }),
    onSupportChange: () => subscriptions.renew(id),
    timeUntilDue: (arrival) => sync?.timeUntilDue(player, arrival) ?? 0,
    after,
    onPaint: (size) => painted(player, size),
    onNextScreenFrame,
    onJourney: (frame) => postJourney(id, frame),
    onAcknowledge(sequence) {
      if (subscriptions.has(id)) connection.sendText(ackText(id, sequence));
    },
  });
  players.set(id, player);
  return player;
}

/** @param {number} id @param {OffscreenCanvas | null} canvas `null` if this browser has no OffscreenCanvas */
function attachCanvas(id, canvas) {
  const paint = canvas
    ? canvasPainter(canvas, () => subscriptions.mayUseH264(id))
    : bitmapPainter((bitmap) => postBitmap(id, bitmap));
  playerOf(id).paintWith(paint);
}

/** @param {Player} player @param {import('./image.js').Size} size */
function painted(player, { width, height }) {
  if (sync?.paused) postStats();
  const { id } = player;
  const size = `${width}x${height}`;
  if (paintedSizes.get(id) === size) return;
  const first = !paintedSizes.has(id);
  paintedSizes.set(id, size);
  if (first) subscriptions.firstPainted(id);
  post({ type: 'painted', id, width, height, stats: player.stats(now()) });
}

/** @param {number} id @param {import('./decode-queue.js').DecodedJourney} frame */
function postJourney(id, { decodedAt, held, ...frame }) {
  const ahead = offset();
  if (ahead === null) return;
  onNextScreenFrame(() => {
    const journey = { ...frame, offset: ahead, held, decodedAt, paintedAt: now() - held };
    post({ type: 'journey', id, journey });
  });
}

/** @param {number} id @param {ImageBitmap} bitmap */
function postBitmap(id, bitmap) {
  if (bitmaps.maySend(id, now())) post({ type: 'bitmap', id, bitmap }, [bitmap]);
  else bitmap.close();
}
