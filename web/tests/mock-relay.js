// A mock relay for tests of the page: a web server and a list of streams, with states, delays and faults as a test sets them.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

export { makeSource, makeVideo } from './sources.js';

const WEB = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; worker-src 'self' blob:";

/** Pages of other origins may run the relay's modules. */
const FOR_ALL_PAGES = { 'Access-Control-Allow-Origin': '*' };

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */
/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */
/**
 * `video`: H.264, one access unit each, with a keyframe every `gop` units. `coded`: its size, if its pixels are not square.
 * @typedef {{ width: number, height: number, fps: number, pictures: Buffer[], video?: Buffer[], gop?: number, coded?: { width: number, height: number } }} Source
 */
/**
 * `renditions`: the same pictures in decreasing sizes. `carries`: index of the largest rendition that the link sustains.
 * `transit`: time of its frames on the network, in milliseconds. `delay`: age of its frames, in milliseconds, all of it in one
 * `stage`. `grid`: frames are captured at multiples of this many milliseconds, so that streams have common capture times; with
 * 0 a frame is captured whenever one is sent. `broken`: frames cannot be decoded. `spoil`: changes a frame on its way; `null`
 * loses it.
 * @typedef {{ info: StreamInfo, renditions: Source[], carries: number, transit: number, sequence: number, delay: number, stage: Stage, grid: number, broken: boolean,
 *   running: boolean, capturedAt: number, spoil: (frame: Buffer, sequence: number) => Buffer | null }} Stream
 */
/** @typedef {'capture' | 'encode' | 'bus' | 'relay'} Stage */
/**
 * @typedef {{ type: string, id: number, stream: string, rendition?: string, max_width?: number, max_height?: number, t0: number,
 *   ack?: boolean, sequence: number, codec?: string }} ControlMessage
 */

/** @typedef {'jpeg' | 'h264'} Codec */
/**
 * A subscription. `at`: the rendition sent; -1 before the first frame. `codec`: the codec sent. `next`: the frame that the viewer
 * can decode next; -1 if only a keyframe.
 * @typedef {{ name: string, request: ControlMessage, at: number, reduced: boolean, codec: Codec, next: number }} Watched
 */

const RENDITIONS = ['full', 'half', 'quarter'];
/** Each rendition numbers its frames independently, from here. */
const COUNTS_FROM = [0, 70_000, 30_000];
/** @type {readonly Stage[]} */
const STAGES = ['capture', 'encode', 'bus', 'relay'];

const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);

/** Timeout of waits for the page, in milliseconds: longer than those of the browser, which say more. */
const PATIENCE = 60_000;

/** Rejects if a wait takes too long. @template T @param {string} what @param {Promise<T>} wait @returns {Promise<T>} */
function withinPatience(what, wait) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const end = new Promise((/** @type {(value: never) => void} */ _, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE);
  });
  return Promise.race([wait, end]).finally(() => clearTimeout(timer));
}

export class MockRelay {
  /** @type {Map<string, Stream>} */
  streams = new Map();
  /** @type {ListenEntry[]} */
  listening = [];
  /** Hints for an empty wall. @type {import('../shared/protocol.js').Setup | null} */
  setup = null;
  build = 'one';
  /** The path below which a reverse proxy would serve the relay, with a slash at its end. */
  prefix = '/';
  token = '';
  /** Control messages of all viewers, in order. @type {ControlMessage[]} */
  received = [];
  connections = 0;
  /** Snapshots in full size are available only if this is true. */
  snapshots = true;
  /** The frame of the last snapshot in full size; -1 before the first. */
  snapshot = -1;
  /** Previews are available only if this is true. */
  previewable = true;
  /** Requests for the list and for previews, with their queries, in order. @type {URL[]} */
  requests = [];
  /** Files of the page that are unavailable, and the number of requests for them. @type {Set<string>} */
  missing = new Set();
  missed = 0;
  /** Scripts to run before a file of the page, by path. @type {Map<string, string>} */
  before = new Map();
  /** Files that are served from another place, by path. @type {Map<string, string>} */
  elsewhere = new Map([['/lib/mediabunny.js', '/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs']]);
  /** @type {Map<import('ws').WebSocket, Map<number, Watched>>} */
  #viewers = new Map();
  /** @type {{ matches: (message: ControlMessage) => boolean, resolve: (message: ControlMessage) => void }[]} */
  #waiting = [];
  /** @type {{ met: () => boolean, resolve: () => void }[]} */
  #conditions = [];
  /** Subscriptions that requested the journey of their next frame. @type {Map<import('ws').WebSocket, Set<number>>} */
  #journeyRequests = new Map();
  #server = createServer((request, response) => this.#serve(request, response));
  #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  /** @type {ReturnType<typeof setInterval>[]} */
  #timers = [];
  #port = 0;
  /** New sockets wait for it. @type {Promise<unknown>} */
  #held = Promise.resolve();

  /** @param {number} [port] */
  async start(port = 0) {
    this.#server.on('upgrade', (request, socket, head) => {
      const url = this.#urlOf(request);
      if (url.pathname !== '/ws' || !this.#allowed(url)) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
        return;
      }
      void this.#held.then(() => this.#sockets.handleUpgrade(request, socket, head, (viewer) => this.#welcome(viewer)));
    });
    await new Promise((resolve) => this.#server.listen(port, '127.0.0.1', () => resolve(undefined)));
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address ? address.port : 0;
    return this;
  }

  get address() {
    return `http://127.0.0.1:${this.#port}${this.prefix}`;
  }

  get port() {
    return this.#port;
  }

  async stop() {
    for (const timer of this.#timers) clearInterval(timer);
    this.cut();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks all sockets, without a close handshake. */
  cut() {
    for (const viewer of this.#viewers.keys()) viewer.terminate();
  }

  /** @param {string} name @param {Source | Source[]} source or all its renditions @param {Partial<StreamInfo>} [info] */
  add(name, source, info = {}) {
    const renditions = [source].flat();
    const every = renditions.flatMap((source, at) => codecsOf(source).map((codec) => ({ ...source, ...sizeOf(source, codec), codec, at })));
    const tracks = every.map(({ width, height, fps, codec, at }) => ({
      rendition: RENDITIONS[at] ?? '',
      codec,
      width,
      height,
      fps,
      bitrate: 4_000_000,
      dropped: 0,
      lost: 0,
    }));
    /** @type {Stream} */
    const stream = {
      info: {
        name,
        state: 'live',
        reason: '',
        since: micros(),
        gone: false,
        source: 'test',
        tracks,
        viewers: 1,
        frame_age_ms: 3,
        ...info,
      },
      renditions,
      carries: 0,
      transit: 0,
      sequence: 0,
      delay: 5,
      stage: 'capture',
      grid: 0,
      broken: false,
      running: true,
      capturedAt: 0,
      spoil: (frame) => frame,
    };
    this.streams.set(name, stream);
    this.#timers.push(setInterval(() => stream.running && this.#publish(stream), 1000 / (renditions[0]?.fps ?? 10)));
    this.#announce();
    return stream;
  }

  /** Sends the list of streams to all viewers again. */
  announce() {
    this.#announce();
  }

  /** @param {string} name */
  remove(name) {
    const stream = this.streams.get(name);
    if (stream) stream.running = false;
    this.streams.delete(name);
    this.#announce();
  }

  /** The capture of a stream goes; the relay remembers the stream. @param {string} name @param {string} reason */
  lose(name, reason) {
    const stream = this.streams.get(name);
    if (stream) stream.info.gone = true;
    this.setState(name, 'offline', reason);
  }

  /** A capture has the stream again. @param {string} name */
  find(name) {
    const stream = this.streams.get(name);
    if (stream) stream.info.gone = false;
    this.setState(name, 'live', '');
  }

  /** @param {string} name @param {import('../shared/protocol.js').ViewerState} state @param {string} reason */
  setState(name, state, reason) {
    const stream = this.streams.get(name);
    if (!stream) return;
    Object.assign(stream.info, { state, reason, since: micros() });
    stream.running = state === 'live' || state === 'late' || state === 'frozen' || state === 'slow';
    this.#announce();
    for (const [viewer, watched] of this.#viewers) {
      for (const [id, one] of watched) if (one.name === name) this.#sendState(viewer, id, stream);
    }
  }

  /** Waits for a control message that matches, or returns an earlier one. @param {(message: ControlMessage) => boolean} matches */
  waitForMessage(matches) {
    const before = this.received.find(matches);
    if (before) return Promise.resolve(before);
    return withinPatience(
      `a message that matches ${matches}`,
      new Promise((/** @type {(message: ControlMessage) => void} */ resolve) => this.#waiting.push({ matches, resolve })),
    );
  }

  /** Waits until no socket is open. */
  untilNoViewers() {
    return this.until(() => this.#viewers.size === 0);
  }

  /** Waits for a condition, which is checked whenever a message is received or sent. @param {() => boolean} met */
  until(met) {
    if (met()) return Promise.resolve();
    return withinPatience(
      `that ${met}`,
      new Promise((/** @type {(value: void) => void} */ resolve) => this.#conditions.push({ met, resolve })),
    );
  }

  /**
   * Sends a frame to all viewers, even without a subscription.
   * @param {string} name @param {number} id @param {number} sequence
   */
  sendUnrequested(name, id, sequence) {
    const stream = this.streams.get(name);
    if (stream) this.broadcast(this.#frame({ ...stream, sequence }, id, 0, micros()));
  }

  /** Sends a text to all viewers. @param {string | Buffer} text */
  broadcast(text) {
    for (const viewer of this.#viewers.keys()) viewer.send(text);
  }

  /** Returns the address of a request as the relay sees it; an unknown one if it is outside of the prefix. @param {import('node:http').IncomingMessage} request */
  #urlOf({ url = '/' }) {
    return new URL(url.startsWith(this.prefix) ? url.slice(this.prefix.length - 1) : '/outside', 'http://mock');
  }

  /** @param {URL} url */
  #allowed(url) {
    return this.token === '' || url.searchParams.get('token') === this.token;
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  #serve(request, response) {
    const url = this.#urlOf(request);
    if (url.pathname === '/api/streams') {
      this.requests.push(url);
      this.#checkConditions();
      const { streams, listening } = this.#list();
      response.writeHead(this.#allowed(url) ? 200 : 401, FOR_ALL_PAGES).end(JSON.stringify({ streams, listening }));
      return;
    }
    const [, name] = /^\/streams\/([^/]+)\/snapshot$/.exec(url.pathname) ?? [];
    if (name !== undefined) {
      if (url.searchParams.get('rendition') === 'full') this.#snapshot(this.streams.get(name), response);
      else this.#preview(this.streams.get(name), url, response);
      return;
    }
    const path = this.#fileAt(url.pathname);
    if (this.missing.has(path)) {
      this.missed += 1;
      response.writeHead(503).end();
      this.#checkConditions();
      return;
    }
    const type = TYPES[/** @type {keyof typeof TYPES} */ (extname(path))];
    try {
      const body = (this.before.get(path) ?? '') + readFileSync(join(WEB, path), 'utf8');
      const shared = type === TYPES['.js'] ? FOR_ALL_PAGES : {};
      response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache', ...shared });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  }

  /** @param {string} path */
  #fileAt(path) {
    if (path === '/') return '/index.html';
    return path.startsWith('/embed/') ? '/embed.html' : (this.elsewhere.get(path) ?? normalize(path));
  }

  /** Serves the newest picture in full size. @param {Stream | undefined} stream @param {import('node:http').ServerResponse} response */
  #snapshot(stream, response) {
    const pictures = stream?.renditions[0]?.pictures ?? [];
    if (!stream || pictures.length === 0 || !this.snapshots) {
      response.writeHead(503).end();
      return;
    }
    this.snapshot = stream.sequence;
    response.writeHead(200, { 'Content-Type': 'image/jpeg', 'X-Timestamp': String(Date.now() / 1000) });
    response.end(pictures[stream.sequence % pictures.length]);
  }

  /** Serves the newest picture in the size that fits a tile. @param {Stream | undefined} stream @param {URL} url @param {import('node:http').ServerResponse} response */
  #preview(stream, url, response) {
    this.requests.push(url);
    this.#checkConditions();
    const [max_width, max_height] = ['max_width', 'max_height'].map((key) => Number(url.searchParams.get(key) ?? Infinity));
    const { pictures = [] } = stream?.renditions[neededOf(stream.renditions, { max_width, max_height })] ?? {};
    if (!stream || pictures.length === 0 || !this.previewable || !this.#allowed(url)) {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'image/jpeg' }).end(pictures[stream.sequence % pictures.length]);
  }

  /** Keeps new sockets waiting. @returns {() => void} admits them */
  holdSockets() {
    /** @type {() => void} */
    let release = () => {};
    this.#held = new Promise((resolve) => (release = () => resolve(undefined)));
    return release;
  }

  /** @param {import('ws').WebSocket} viewer */
  #welcome(viewer) {
    this.connections += 1;
    this.#viewers.set(viewer, new Map());
    this.#journeyRequests.set(viewer, new Set());
    viewer.on('close', () => {
      this.#viewers.delete(viewer);
      this.#checkConditions();
    });
    viewer.on('message', (data) => this.#receive(viewer, JSON.parse(String(data))));
    send(viewer, { type: 'hello', version: '0.1.0', build: this.build });
  }

  /** @param {import('ws').WebSocket} viewer @param {ControlMessage} message */
  #receive(viewer, message) {
    const now = micros();
    const watched = this.#viewers.get(viewer);
    if (message.type === 'list') send(viewer, this.#list());
    if (message.type === 'clock') send(viewer, { type: 'clock', t0: message.t0, t1: now, t2: micros() });
    if (message.type === 'unwatch') watched?.delete(message.id);
    if (message.type === 'watch') this.#watch(viewer, message);
    if (message.type === 'journey') this.#journeyRequests.get(viewer)?.add(message.id);
    if (message.type === 'keyframe') this.#restart(viewer, message.id);
    if (message.type === 'clock') return;
    this.received.push(message);
    const met = this.#waiting.filter(({ matches }) => matches(message));
    this.#waiting = this.#waiting.filter((one) => !met.includes(one));
    for (const { resolve } of met) resolve(message);
    this.#checkConditions();
  }

  #checkConditions() {
    const met = this.#conditions.filter(({ met }) => met());
    this.#conditions = this.#conditions.filter((one) => !met.includes(one));
    for (const { resolve } of met) resolve();
  }

  /** @param {import('ws').WebSocket} viewer @param {ControlMessage} message */
  #watch(viewer, message) {
    const { id, stream: name } = message;
    const stream = this.streams.get(name);
    if (!stream) {
      const text = `no stream is called ${name}; there are: ${[...this.streams.keys()].join(', ')}`;
      send(viewer, { type: 'error', id, code: 'unknown-stream', message: text });
      return;
    }
    const known = this.#viewers.get(viewer)?.get(id);
    if (known?.name === name) {
      known.request = message;
      return;
    }
    /** @type {Watched} */
    const watched = { name, request: message, at: -1, reduced: false, codec: 'jpeg', next: -1 };
    this.#viewers.get(viewer)?.set(id, watched);
    this.#choose(viewer, stream, id, watched);
    this.#sendState(viewer, id, stream);
    if (hasPictures(stream) && stream.running) this.#send(viewer, stream, id, watched);
  }

  /**
   * Chooses the rendition to send, and reports it if it changes.
   * @param {import('ws').WebSocket} viewer @param {Stream} stream @param {number} id @param {Watched} watched
   */
  #choose(viewer, stream, id, watched) {
    const needed = neededOf(stream.renditions, watched.request);
    const at = Math.min(stream.renditions.length - 1, Math.max(needed, stream.carries));
    const reduced = at > needed;
    const source = stream.renditions[at];
    const requested = watched.request.codec ?? 'jpeg';
    const codec = source && codecsOf(source).includes('h264') && requested !== 'jpeg' ? 'h264' : 'jpeg';
    if (at === watched.at && reduced === watched.reduced && codec === watched.codec) return;
    Object.assign(watched, { at, reduced, codec, next: -1 });
    const renditions = RENDITIONS.slice(0, stream.renditions.length);
    const { width = 0, height = 0, fps = 0 } = source ? { ...source, ...sizeOf(source, codec) } : {};
    const track = { stream: watched.name, codec, rendition: RENDITIONS[at], width, height, fps, renditions, reduced };
    send(viewer, { type: 'track', id, ...track });
  }

  /** @param {import('ws').WebSocket} viewer @param {number} id @param {Stream} stream */
  #sendState(viewer, id, { info: { state, reason, since } }) {
    send(viewer, { type: 'state', id, state, reason, since });
  }

  #list() {
    return { type: 'streams', streams: [...this.streams.values()].map(({ info }) => info), listening: this.listening, setup: this.setup ?? undefined };
  }

  #announce() {
    for (const viewer of this.#viewers.keys()) send(viewer, this.#list());
  }

  /** @param {Stream} stream */
  #publish(stream) {
    if (!hasPictures(stream)) return;
    for (const capturedAt of takenSince(stream, micros())) this.#fanOut(stream, capturedAt);
    this.#checkConditions();
  }

  /** @param {Stream} stream @param {number} capturedAt */
  #fanOut(stream, capturedAt) {
    stream.sequence += 1;
    stream.capturedAt = capturedAt;
    for (const [viewer, watched] of this.#viewers) {
      for (const [id, one] of watched) if (one.name === stream.info.name) this.#send(viewer, stream, id, one);
    }
  }

  /** @param {import('ws').WebSocket} viewer @param {Stream} stream @param {number} id @param {Watched} watched */
  #send(viewer, stream, id, watched) {
    this.#choose(viewer, stream, id, watched);
    const { sequence } = stream;
    for (const one of sequencesFor(stream, watched)) {
      const sentAt = micros();
      const now = { ...stream, sequence: one };
      if (one === sequence && this.#journeyRequests.get(viewer)?.delete(id)) send(viewer, journeyOf(stream, id, watched.at, sentAt));
      const frame = stream.spoil(this.#frame(now, id, watched.at, sentAt, watched.codec), one);
      if (frame) viewer.send(frame);
    }
    watched.next = sequence + 1;
  }

  /** Makes the next frame of this viewer a keyframe. @param {import('ws').WebSocket} viewer @param {number} id */
  #restart(viewer, id) {
    const watched = this.#viewers.get(viewer)?.get(id);
    const stream = watched && this.streams.get(watched.name);
    const gop = watched && stream?.renditions[watched.at]?.gop;
    if (!gop) return;
    stream.sequence += gop - (stream.sequence % gop) - 1;
    watched.next = -1;
  }

  /** @param {Stream} stream @param {number} id @param {number} at index of the rendition @param {number} sentAt @param {Codec} [codec] */
  #frame(stream, id, at, sentAt, codec = 'jpeg') {
    const { sequence, renditions, broken, transit } = stream;
    const { video = [], pictures = [], gop = 1, fps = 10 } = renditions[at] ?? {};
    const units = codec === 'h264' ? video : pictures;
    const header = Buffer.alloc(32);
    header.writeUInt8(1, 0);
    header.writeUInt8(codec === 'h264' ? 2 : 1, 1);
    header.writeUInt8(codec === 'h264' && sequence % gop !== 0 ? 0 : 1, 2);
    header.writeUInt8(at, 3);
    header.writeUInt32LE(id, 4);
    header.writeBigUInt64LE(BigInt(countOf(stream, at)), 8);
    const ago = ((this.streams.get(stream.info.name)?.sequence ?? sequence) - sequence) / fps;
    header.writeBigUInt64LE(BigInt(Math.round(capturedAt(stream, sentAt) - ago * 1e6)), 16);
    header.writeBigUInt64LE(BigInt(Math.round(sentAt - transit * 1000)), 24);
    const picture = units[sequence % units.length] ?? Buffer.alloc(0);
    return Buffer.concat([header, broken ? Buffer.from('no picture') : picture]);
  }
}

/** @param {Source} source @param {Codec} codec */
const sizeOf = ({ width, height, coded }, codec) => (codec === 'h264' && coded ? coded : { width, height });

/** @param {Source} source @returns {Codec[]} */
const codecsOf = ({ video }) => (video ? ['jpeg', 'h264'] : ['jpeg']);

/**
 * Returns the frames to send: of H.264, all since the last keyframe that the viewer has not received.
 * @param {Stream} stream @param {Watched} watched
 */
function sequencesFor({ sequence, renditions }, { at, codec, next }) {
  const gop = renditions[at]?.gop ?? 1;
  const keyframe = sequence - (sequence % gop);
  if (codec === 'jpeg') return [sequence];
  const from = next >= keyframe && next <= sequence ? next : keyframe;
  return Array.from({ length: sequence - from + 1 }, (_, index) => from + index);
}

/** Returns the smallest rendition that fills width or height. @param {readonly Source[]} renditions @param {{ max_width?: number, max_height?: number }} request */
function neededOf(renditions, { max_width = Infinity, max_height = Infinity }) {
  const enough = renditions.filter(({ width, height }) => width >= max_width || height >= max_height);
  return Math.max(0, enough.length - 1);
}

/** @param {Stream} stream */
const hasPictures = ({ renditions: [full] }) => (full?.pictures.length ?? 0) + (full?.video?.length ?? 0) > 0;

/** @param {Stream} stream @param {number} at */
const countOf = ({ sequence }, at) => sequence + (COUNTS_FROM[at] ?? 0);

/** @param {Stream} stream @param {number} sentAt */
function capturedAt({ delay, grid, capturedAt }, sentAt) {
  return grid > 0 && capturedAt > 0 ? capturedAt : sentAt - delay * 1000;
}

/** Returns the capture times of the frames that are due. @param {Stream} stream @param {number} now @returns {number[]} */
function takenSince({ delay, grid, capturedAt }, now) {
  const newest = now - delay * 1000;
  if (grid === 0) return [newest];
  const step = grid * 1000;
  const last = Math.floor(newest / step) * step;
  const first = capturedAt > 0 ? capturedAt + step : last;
  return Array.from({ length: Math.max(0, (last - first) / step + 1) }, (_, index) => first + index * step);
}

/** Returns a frame's journey with all of the delay in one stage. @param {Stream} stream @param {number} id @param {number} rendition @param {number} sentAt */
function journeyOf(stream, id, rendition, sentAt) {
  const captured = capturedAt(stream, sentAt);
  const at = STAGES.indexOf(stream.stage);
  const [read_at, published_at, received_at, sent_at] = STAGES.map((_, stage) => (stage < at ? captured : sentAt));
  const times = { captured_at: captured, read_at, published_at, received_at, sent_at };
  return { type: 'journey', id, sequence: countOf(stream, rendition), ...times };
}

/** @param {import('ws').WebSocket} viewer @param {object} message */
function send(viewer, message) {
  viewer.send(JSON.stringify(message));
}
