// The page: receives the worker's messages and updates the wall and its controls.

import { adoptSubscription, earlySubscriptions, firstList, noteH264, onWorkerMessage, post, requestedStream, snapshotAddress, worker } from '../boot.js';
import { LazyModule, loadModule } from '../shared/lazy-module.js';
import { isStreamName, parseList } from '../shared/protocol.js';
import { byId } from './dom.js';
import { Previews } from './previews.js';
import { CONNECTION_LOST } from './tile-status.js';
import { Wall } from './wall.js';

/** @typedef {import('../shared/messages.js').FromWorker} FromWorker */
/** @typedef {import('../shared/protocol.js').FromRelay} FromRelay */

/** Interval of updates without a message: when the worker is silent, an old picture must not pass as live. In milliseconds. */
const WATCHDOG = 1000;
/** The controls wait this long for a first picture, in milliseconds. */
const CONTROLS_AFTER = 700;

const now = () => performance.timeOrigin + performance.now();
const kiosk = new URL(location.href).searchParams.get('kiosk') === '1';
document.documentElement.classList.toggle('kiosk', kiosk);

/** @type {import('./controls.js').Controls | null} */
let controls = null;
const controlsModule = new LazyModule({
  now,
  load: () => loadModule(() => import('./controls.js'), new URL('controls.js', import.meta.url)),
  use({ Controls }) {
    controls = new Controls(wall, { kiosk });
    render();
  },
});
/** True once the controls must be loaded, however often that fails. */
let controlsNeeded = false;
/** @type {import('../shared/messages.js').Link} */
let link = { phase: 'connecting', why: '', detail: '' };
/** From the first failure until the socket is open again. */
let lost = false;
/** @type {import('../shared/protocol.js').ListenEntry[] | null} */
let listening = null;
/** @type {import('../shared/protocol.js').Setup | null} */
let setup = null;
/** Relay's clock minus ours, in milliseconds. */
let ahead = 0;
/** The worker's latest measurements. @type {import('../shared/messages.js').Evidence} */
let evidence = { network: null, lag: 0 };
let build = '';
/** Tiles with open details, as text: the worker requests the journeys of their frames. */
let detailsIds = '';

const wall = new Wall(byId('wall'), {
  now,
  onChange: render,
  onEnlarge: (tile) => controls?.enlarged(tile),
  onPause: () => controls?.playback.togglePause(),
  onFullScreen: (fromWall) => controls?.fullScreen.toggleTile(fromWall),
  announce: (text) => controls?.announce(text),
  relayNow: () => (now() + ahead) * 1000,
});
const previews = new Previews(showPreview);
if (isStreamName(requestedStream)) wall.enlargeByName(requestedStream);
worker.onerror = () => setLink({ phase: 'down', why: 'refused', detail: 'this browser failed to start the page' });
document.addEventListener('visibilitychange', visibilityChanged);
addEventListener('online', () => post({ type: 'wake' }));
setInterval(() => {
  render();
  if (controlsNeeded) controlsModule.request();
}, WATCHDOG);
setTimeout(loadControls, CONTROLS_AFTER);
onWorkerMessage(receive);
void firstList.then(showFirstList);

/** Shows tiles and previews before the worker has connected. @param {string} text the relay's list */
function showFirstList(text) {
  if (listening || link.phase === 'down') return;
  const streams = parseList(text);
  if (streams.length === 0) return;
  wall.setStreams(streams);
  previews.request(wall.seen);
  render();
}

/** @param {import('./tile.js').Tile} tile @param {HTMLImageElement} image decoded */
function showPreview(tile, image) {
  const before = tile.aspect;
  tile.showPreview(image, now());
  if (tile.aspect !== before) wall.arrange();
  render();
  requestAnimationFrame(() => markOnce('fanlight-first-frame'));
}

/** @param {FromWorker} message */
function receive(message) {
  if (message.type === 'link') setLink(message.link);
  else if (message.type === 'relay') receiveFromRelay(message.message);
  else if (message.type === 'h264') noteH264(message.supported);
  else if (message.type === 'subscribed') adoptSubscription(message.stream, message.id, message.limits);
  else if (message.type === 'painted') painted(message);
  else if (message.type === 'journey') wall.byId(message.id)?.addJourney(message.journey);
  else if (message.type === 'bitmap') paintBitmap(message);
  else if (message.type === 'saved') void save(message);
  else if (message.type === 'stats') takeStats(message);
}

/** @param {FromRelay} message */
function receiveFromRelay(message) {
  if (message.type === 'hello') greet(message.build);
  else if (message.type === 'streams') {
    ({ listening, setup } = message);
    wall.setStreams(message.streams);
    unsubscribeUnseen();
    if (wall.tiles.size === 0) loadControls();
  } else if (message.type !== 'clock' && message.id !== null) {
    const tile = wall.byId(message.id);
    tile?.receive(message);
    tile?.diagnose(evidence, now());
  }
  render();
}

/** Ends subscriptions that the worker started by itself and no visible tile has taken over. */
function unsubscribeUnseen() {
  for (const id of earlySubscriptions.keys()) post({ type: 'unwatch', id });
  earlySubscriptions.clear();
}

/** Reloads the page if the relay was upgraded. @param {string} theirs the relay's build */
function greet(theirs) {
  build ||= theirs;
  if (theirs === build) return;
  const load = () => import('./upgrade.js');
  // If this fails, the `hello` of the next socket tries again.
  loadModule(load, new URL('upgrade.js', import.meta.url)).then(({ reloadOnce }) => reloadOnce(Date.now()), () => {});
}

/** @param {import('../shared/messages.js').Link} next */
function setLink(next) {
  if (next.phase === 'down') {
    // The relay counts them as viewers, and may have refused the page because of them.
    previews.cancelAll();
    loadControls();
    if (!lost) controls?.announce(CONNECTION_LOST);
  }
  if (next.phase !== 'connecting') lost = next.phase === 'down';
  if (next.phase === 'open') {
    controlsModule.retryNow();
    if (controlsNeeded) controlsModule.request();
    if (listening) wall.keepMissing();
    // The tiles' state is from the old socket; the new one reports it again.
    for (const tile of wall.tiles.values()) if (tile.watchedSince !== null) tile.start(now());
  }
  link = next;
  render();
}

/** @param {Extract<FromWorker, { type: 'painted' }>} message */
function painted({ id, width, height, stats }) {
  const tile = wall.byId(id);
  if (!tile) return;
  markOnce('fanlight-first-frame');
  markOnce('fanlight-first-live-frame');
  previews.cancel(tile);
  tile.coverPreview();
  const before = tile.aspect;
  tile.showSize({ width, height });
  tile.stats = stats;
  if (tile.aspect !== before) wall.arrange();
  render();
  loadControls();
}

/** Sets a mark for measurements, unless it exists. @param {string} name */
function markOnce(name) {
  if (performance.getEntriesByName(name).length === 0) performance.mark(name);
}

/** The tile may be gone before its bitmap arrives. @param {Extract<FromWorker, { type: 'bitmap' }>} message */
function paintBitmap({ id, bitmap }) {
  const tile = wall.byId(id);
  if (tile) tile.paint(bitmap);
  else bitmap.close();
}

/** @param {Extract<FromWorker, { type: 'saved' }>} message */
async function save({ id, saved }) {
  const tile = wall.byId(id);
  if (!tile) return;
  const module = loadModule(() => import('./saving.js'), new URL('saving.js', import.meta.url));
  const saving = module.then(({ save }) => save(tile, saved, { ahead, full: snapshotAddress(tile.name) }));
  controls?.showMessage(await saving.catch(() => `${tile.name}: could not save: no answer from the relay`));
}

/** @param {Extract<FromWorker, { type: 'stats' }>} message */
function takeStats(message) {
  if (message.offset !== null) ahead = message.offset / 1000;
  evidence = message.evidence;
  for (const stats of message.players) {
    const tile = wall.byId(stats.id);
    if (!tile) continue;
    tile.stats = stats;
    tile.outOfSync = message.outOfSync.includes(stats.id);
    tile.diagnose(evidence, now());
  }
  controls?.playback.receive(message.mode, ahead);
  render();
}

function render() {
  for (const tile of wall.tiles.values()) renderTile(tile);
  controls?.render({ link, listening, setup, empty: wall.tiles.size === 0, ahead }, lost, now());
  requestJourneys();
}

/** Requests the journeys of frames for tiles with open details. */
function requestJourneys() {
  const ids = [...wall.tiles.values()].filter((tile) => tile.detailsOpen).map(({ id }) => id);
  if (ids.join() === detailsIds) return;
  detailsIds = ids.join();
  post({ type: 'details', ids });
}

/** @param {import('./tile.js').Tile} tile */
function renderTile(tile) {
  const before = tile.status.state;
  tile.render(!lost, now(), ahead);
  const { state, text } = tile.status;
  // A lost connection and a pause are announced once, not for each tile. A tile that waits for a picture is no news.
  const quiet = (/** @type {string} */ state) => state === 'waiting' || state === 'idle' || state === 'paused';
  if (state === before || text === CONNECTION_LOST || quiet(state)) return;
  if (state !== 'live' || !quiet(before)) controls?.announce(`${tile.name}: ${text || state}`);
}

function visibilityChanged() {
  wall.visibility.update();
  if (document.hidden) previews.cancelAll();
  else post({ type: 'wake' });
  render();
}

function loadControls() {
  controlsNeeded = true;
  controlsModule.request();
}
