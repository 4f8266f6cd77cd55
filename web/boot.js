// Starts the worker and requests the list before the rest of the page loads, so that the first picture waits for nothing. The only
// module that knows the relay's addresses and the access token. Imports nothing, because it would have to wait for it.

/** @typedef {import('./shared/messages.js').ToWorker} ToWorker */
/** @typedef {import('./shared/messages.js').FromWorker} FromWorker */

/** @typedef {import('./shared/messages.js').CodecChoice} CodecChoice */

const TOKEN = 'fanlight.token';
const CODEC = 'fanlight.codec';

/** True if the worker paints. Otherwise it passes bitmaps to this thread, because the browser has no OffscreenCanvas. */
export const paintsInWorker = 'transferControlToOffscreen' in HTMLCanvasElement.prototype;

/** The stream in the page's address, enlarged from the start. Not validated. */
export const requestedStream = new URL(location.href).searchParams.get('stream') ?? '';

/** @type {Map<string, number>} */
const ids = new Map();
let lastId = 0;
/** Codec for this tab, if the browser stores nothing. @type {CodecChoice | null} */
let codecHere = null;
/** False once the worker reports that this browser does not decode H.264. */
let canDecodeH264 = true;
/** True if the page's address had a token. */
export const tokenIsFromAddress = new URL(location.href).searchParams.has('token');
let token = readToken();
/** The link in the page's address, in place of a token. It stays there, so that the page can be reloaded. */
let link = new URL(location.href).searchParams.get('link') ?? '';

/** The relay's list, as text, requested while the worker starts; empty if it failed or the page is hidden. */
export const firstList = document.hidden ? Promise.resolve('') : requestList();
export const worker = new Worker(new URL('worker/main.js', import.meta.url), { type: 'module', name: 'fanlight' });

/** Messages of the worker from before the page listens. @type {FromWorker[]} */
const early = [];
worker.onmessage = (/** @type {MessageEvent<FromWorker>} */ { data }) => early.push(data);

connect();
if (requestedStream) post({ type: 'watch', id: idOf(requestedStream), request: { stream: requestedStream, ...wholeWindow() } });

/** Passes the worker's messages to `handle`, beginning with the earlier ones. @param {(message: FromWorker) => void} handle */
export function onWorkerMessage(handle) {
  early.splice(0).forEach(handle);
  worker.onmessage = ({ data }) => handle(data);
}

/** @param {ToWorker} message @param {Transferable[]} [transfer] */
export function post(message, transfer = []) {
  worker.postMessage(message, transfer);
}

/** Returns the subscription id of a stream. Ids are not reused for another stream. @param {string} stream */
export function idOf(stream) {
  const known = ids.get(stream);
  if (known !== undefined) return known;
  lastId += 1;
  ids.set(stream, lastId);
  return lastId;
}

/**
 * Subscriptions that the worker started by itself and no tile has taken over yet, with the requested size.
 * @type {Map<number, import('./shared/sizes.js').Limits>}
 */
export const earlySubscriptions = new Map();

/**
 * Notes that the worker already requested a stream, under this id.
 * @param {string} stream @param {number} id @param {import('./shared/sizes.js').Limits} limits
 */
export function adoptSubscription(stream, id, limits) {
  // The page requested the stream at the same moment.
  if (ids.has(stream)) return post({ type: 'forget', id });
  ids.set(stream, id);
  earlySubscriptions.set(id, limits);
}

/** Forgets a stream. If it reappears, it gets another id. @param {string} stream */
export function forget(stream) {
  const id = ids.get(stream);
  ids.delete(stream);
  if (id !== undefined) post({ type: 'forget', id });
}

/** Connects with a token, or with the session of this browser if it is empty. @param {string} text */
export function useToken(text) {
  token = text;
  link = '';
  storeToken(text);
  connect();
}

/** Forgets the token of this tab. */
export function forgetToken() {
  token = '';
  storeToken('');
}

/** Returns whether the page has a token. If the relay asks for one anyway, it rejected this one. */
export function hasToken() {
  return token !== '';
}

/** Returns whether the page was opened with a link in place of a token. */
export function hasLink() {
  return link !== '';
}

/** Size of the window in screen pixels: the most that a tile can need. */
export function wholeWindow() {
  return { maxWidth: Math.ceil(innerWidth * devicePixelRatio), maxHeight: Math.ceil(innerHeight * devicePixelRatio) };
}

/** Requests the list of streams. @returns {Promise<string>} */
async function requestList() {
  try {
    const response = await fetch(address('api/streams'), { priority: 'high' });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}

function connect() {
  const addresses = { socket: socketAddress(), check: address('api/streams').href };
  post({ type: 'open', screen: wholeWindow(), addresses, codec: chosenCodec(), wall: true });
}

/** Returns the codec that the viewer chose. @returns {CodecChoice} */
export function chosenCodec() {
  if (codecHere) return codecHere;
  try {
    const kept = localStorage.getItem(CODEC);
    return kept === 'jpeg' || kept === 'h264' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

/** Returns whether this browser decodes H.264, as far as is known. */
export function decodesH264() {
  return canDecodeH264;
}

/** @param {boolean} supported */
export function noteH264(supported) {
  canDecodeH264 = supported;
}

/** @param {CodecChoice} codec */
export function chooseCodec(codec) {
  codecHere = codec;
  try {
    localStorage.setItem(CODEC, codec);
  } catch {
    // The browser forbids storage, or it is full.
  }
  post({ type: 'codec', codec });
}

/** Returns the address of a stream's newest picture in full size, as a JPEG. @param {string} stream */
export function snapshotAddress(stream) {
  return snapshotWith(stream, { rendition: 'full' });
}

/**
 * Returns the address of a stream's newest picture in the rendition that a tile of this size shows, as a JPEG. The relay refuses
 * an older picture than `maxAge`, in milliseconds.
 * @param {string} stream @param {import('./shared/sizes.js').Limits} limits @param {number} maxAge
 */
export function previewAddress(stream, { maxWidth, maxHeight }, maxAge) {
  return snapshotWith(stream, { rendition: 'auto', max_width: `${maxWidth}`, max_height: `${maxHeight}`, max_age: `${maxAge}ms` });
}

/** @param {string} stream @param {Record<string, string>} query */
function snapshotWith(stream, query) {
  const url = address(`streams/${stream}/snapshot`);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return url.href;
}

function socketAddress() {
  const url = address('ws');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** Resolves a path relative to the page, so that a reverse proxy's path prefix stays. @param {string} path */
export function address(path) {
  const url = new URL(path, document.baseURI);
  if (link) url.searchParams.set('link', link);
  else if (token) url.searchParams.set('token', token);
  return url;
}

/** Moves a token from the address bar into this tab's storage. Otherwise every copied link would contain it. */
function readToken() {
  const here = new URL(location.href);
  const given = here.searchParams.get('token');
  if (given === null) return storedToken();
  storeToken(given);
  here.searchParams.delete('token');
  history.replaceState(null, '', here);
  return given;
}

function storedToken() {
  try {
    return sessionStorage.getItem(TOKEN) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} text */
function storeToken(text) {
  try {
    sessionStorage.setItem(TOKEN, text);
  } catch {
    // The browser forbids storage: the page asks for the token again after a reload.
  }
}
