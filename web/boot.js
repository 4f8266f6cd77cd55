// Starts the worker and the socket before anything else of the page is loaded: the first picture waits for nothing.
// Also the one place that knows the relay's addresses, and the token that opens them. Imports nothing, because it
// would have to wait for it.

/** @typedef {import('./shared/messages.js').ToWorker} ToWorker */
/** @typedef {import('./shared/messages.js').FromWorker} FromWorker */

/** @typedef {import('./shared/messages.js').CodecChoice} CodecChoice */

const TOKEN = 'fanlight.token';
const CODEC = 'fanlight.codec';

/** Whether frames are painted in the worker, or handed to this thread by a browser that cannot. */
export const paintsInWorker = 'transferControlToOffscreen' in HTMLCanvasElement.prototype;

/** The stream in the page's address, enlarged from the start; whatever was typed there. */
export const requestedStream = new URL(location.href).searchParams.get('stream') ?? '';

export const worker = new Worker(new URL('worker/main.js', import.meta.url), { type: 'module', name: 'fanlight' });
/** @type {Map<string, number>} */
const ids = new Map();
let lastId = 0;
/** Where nothing can be remembered, it holds for this tab. @type {CodecChoice | null} */
let codecHere = null;
let token = readToken();

/** What the worker said before there was a page to handle it. @type {FromWorker[]} */
const early = [];
worker.onmessage = (/** @type {MessageEvent<FromWorker>} */ { data }) => early.push(data);

connect();
if (requestedStream) post({ type: 'watch', id: idOf(requestedStream), request: { stream: requestedStream, ...wholeWindow() } });

/** From now on the worker is heard here, beginning with what it said so far. @param {(message: FromWorker) => void} handle */
export function onWorkerMessage(handle) {
  early.splice(0).forEach(handle);
  worker.onmessage = ({ data }) => handle(data);
}

/** @param {ToWorker} message @param {Transferable[]} [transfer] */
export function post(message, transfer = []) {
  worker.postMessage(message, transfer);
}

/** The subscription for a stream; never used for another. @param {string} stream */
export function idOf(stream) {
  const known = ids.get(stream);
  if (known !== undefined) return known;
  lastId += 1;
  ids.set(stream, lastId);
  return lastId;
}

/**
 * Subscriptions that the worker began by itself and that no tile has taken over yet, with the size they were asked for in.
 * @type {Map<number, import('./shared/sizes.js').Limits>}
 */
export const earlySubscriptions = new Map();

/**
 * The worker has asked for a stream already, under this number.
 * @param {string} stream @param {number} id @param {import('./shared/sizes.js').Limits} limits
 */
export function adoptSubscription(stream, id, limits) {
  ids.set(stream, id);
  earlySubscriptions.set(id, limits);
}

/** A stream that comes back after this begins anew. @param {string} stream */
export function forget(stream) {
  const id = ids.get(stream);
  ids.delete(stream);
  if (id !== undefined) post({ type: 'forget', id });
}

/** @param {string} text */
export function useToken(text) {
  token = text;
  storeToken(text);
  connect();
}

/** Whether a token was given that the relay then refused. */
export function hasToken() {
  return token !== '';
}

/** In pixels of the screen: as much as there is for a tile of which nothing else is known. */
export function wholeWindow() {
  return { maxWidth: Math.ceil(innerWidth * devicePixelRatio), maxHeight: Math.ceil(innerHeight * devicePixelRatio) };
}

function connect() {
  const addresses = { socket: socketAddress(), probe: address('api/streams').href };
  post({ type: 'open', screen: wholeWindow(), addresses, codec: chosenCodec() });
}

/** What frames are to be encoded as. @returns {CodecChoice} */
export function chosenCodec() {
  if (codecHere) return codecHere;
  try {
    const kept = localStorage.getItem(CODEC);
    return kept === 'jpeg' || kept === 'h264' ? kept : 'auto';
  } catch {
    return 'auto';
  }
}

/** @param {CodecChoice} codec */
export function chooseCodec(codec) {
  codecHere = codec;
  try {
    localStorage.setItem(CODEC, codec);
  } catch {
    // Forbidden by the browser, or full.
  }
  post({ type: 'codec', codec });
}

/** The newest picture of a stream in full size, as a JPEG. @param {string} stream */
export function snapshotAddress(stream) {
  const url = address(`streams/${stream}/snapshot`);
  url.searchParams.set('rendition', 'full');
  return url.href;
}

function socketAddress() {
  const url = address('ws');
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** Relative to the page, so that a reverse proxy's path prefix stays. @param {string} path */
function address(path) {
  const url = new URL(path, document.baseURI);
  if (token) url.searchParams.set('token', token);
  return url;
}

/** A token in the address bar would be shared with every copied link: it moves into this tab's memory. */
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
    // Forbidden by the browser: the token is asked for again after a reload.
  }
}
