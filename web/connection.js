// The one socket to the relay, in the worker: opens it, keeps it, and says in words how it is.
// Messages pass through unread but for `clock`, which is measured here because only here the moments are known.

import { Backoff } from './backoff.js';
import { RelayClock } from './clock.js';
import { SUBPROTOCOL, parseControl, parseFrame } from './protocol.js';

/** @typedef {import('./protocol.js').FromRelay} FromRelay */
/** @typedef {import('./protocol.js').Frame} Frame */

/**
 * How the link is. `why` tells what stands in the way: `lost` (it was there), `unreachable` (nobody answers),
 * `token` (a token is needed, or this one is wrong), `refused` (somebody answers, and says no), `no-socket` (the relay
 * answers, but not as a WebSocket).
 * @typedef {object} Link
 * @property {'connecting' | 'open' | 'down'} phase
 * @property {'' | 'lost' | 'unreachable' | 'token' | 'refused' | 'no-socket'} why
 * @property {string} detail what the relay said about it
 */

/** @typedef {{ socket: string, probe: string }} Addresses the WebSocket's, and one that tells why it is refused */

const CLOCK_EVERY = 10_000;
/** While the page is still being built answers lie about unread, so the clock is soon asked again; then ever less often. */
const CLOCK_FIRST = 500;
/** The first answers of a burst pay for warming up; the best of four is close to what the link can do. */
const CLOCK_BURST = 4;
/** Nothing at all for so long after a question: the link is dead, whatever the socket believes. */
const SILENCE = 5_000;
/** A refusal does not heal by asking often, and each attempt stands in the relay's log. */
const REFUSED_WAIT = 30_000;
const PROBE_TIMEOUT = 3_000;
/** Browsers wait for minutes where nothing answers at all, as behind a firewall that drops packets. */
const CONNECT_TIMEOUT = 10_000;
/** A socket open for so long has proved itself, even on a wall without a stream. */
const PROVEN_AFTER = 5_000;

export class Connection {
  clock = new RelayClock();
  malformed = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Addresses | null} */
  #addresses = null;
  #backoff = new Backoff();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #clockTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;
  #openedAt = 0;
  #clockWait = CLOCK_FIRST;
  #burst = 0;

  /**
   * @param {{ now: () => number, onOpen: () => void, onLink: (link: Link) => void,
   *   onMessage: (message: FromRelay) => void, onFrame: (frame: Frame) => void }} world `now` in milliseconds
   */
  constructor(world) {
    this.world = world;
  }

  /** @param {Addresses} addresses */
  open(addresses) {
    this.#addresses = addresses;
    this.#backoff.reset();
    this.#connect();
  }

  /** Sends, or forgets: whoever needs it said again says it in `onOpen`. @param {object} message */
  send(message) {
    this.sendText(JSON.stringify(message));
  }

  /** @param {string} text */
  sendText(text) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** Something changed for the better (the network is back, somebody looks): try now, or see whether it still lives. */
  wake() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#measureClock();
    else if (this.#retryTimer !== undefined) this.#connect();
  }

  /** Frames come: the next loss is a new story. */
  proven() {
    this.#backoff.reset();
  }

  #connect() {
    if (!this.#addresses) return;
    this.#drop();
    this.world.onLink({ phase: 'connecting', why: '', detail: '' });
    const socket = new WebSocket(this.#addresses.socket, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ reason }) => this.#closed(reason);
    this.#socket = socket;
    // Cleared by the first message, or with the socket.
    this.#silenceTimer = setTimeout(() => this.#closed('no answer'), CONNECT_TIMEOUT);
  }

  #opened() {
    this.#openedAt = this.world.now();
    this.clock.reset();
    this.#clockWait = CLOCK_FIRST;
    this.world.onOpen();
    this.world.onLink({ phase: 'open', why: '', detail: '' });
    this.#measureClock();
  }

  /** @param {unknown} data */
  #received(data) {
    clearTimeout(this.#silenceTimer);
    if (data instanceof ArrayBuffer) {
      const frame = parseFrame(data);
      if (frame) this.world.onFrame(frame);
      else this.malformed += 1;
      return;
    }
    const message = typeof data === 'string' ? parseControl(data) : null;
    if (!message) this.malformed += 1;
    else if (message.type === 'clock') this.#clockAnswered(message);
    else this.world.onMessage(message);
  }

  /** @param {string} reason */
  #closed(reason) {
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && this.world.now() - this.#openedAt > PROVEN_AFTER) this.#backoff.reset();
    this.#drop();
    if (wasOpen) this.#retry({ phase: 'down', why: 'lost', detail: reason });
    else void this.#explain();
  }

  /** A WebSocket that is refused does not tell why; a plain request to the same relay does. */
  async #explain() {
    const addresses = this.#addresses;
    if (!addresses) return;
    const link = await probe(addresses.probe);
    // A token may have come in, or another attempt begun, while we asked.
    if (addresses === this.#addresses && !this.#socket) this.#retry(link);
  }

  /** @param {Link} link */
  #retry(link) {
    this.world.onLink(link);
    const refused = link.why === 'token' || link.why === 'refused';
    const wait = refused ? REFUSED_WAIT : this.#backoff.next();
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
  }

  #measureClock() {
    clearTimeout(this.#clockTimer);
    this.#burst = CLOCK_BURST;
    this.#askClock();
    this.#clockTimer = setTimeout(() => this.#measureClock(), this.#clockWait);
    this.#clockWait = Math.min(2 * this.#clockWait, CLOCK_EVERY);
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#closed('no answer'), SILENCE);
  }

  #askClock() {
    this.#burst -= 1;
    this.send({ type: 'clock', t0: Math.round(this.world.now() * 1000) });
  }

  /** @param {import('./protocol.js').Clock} answer */
  #clockAnswered({ t0, t1, t2 }) {
    this.clock.add(t0, t1, t2, this.world.now() * 1000);
    if (this.#burst > 0) this.#askClock();
  }

  /** Lets go of the socket without waiting for its goodbye, which a dead link would hold up for minutes. */
  #drop() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#clockTimer);
    clearTimeout(this.#silenceTimer);
    this.#retryTimer = undefined;
    this.#openedAt = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

/** @param {string} address @returns {Promise<Link>} */
async function probe(address) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PROBE_TIMEOUT);
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: abort.signal });
    if (answer.ok) return { phase: 'down', why: 'no-socket', detail: '' };
    if (answer.status === 401) return { phase: 'down', why: 'token', detail: '' };
    // What a proxy says while the relay behind it is away.
    if (answer.status >= 500) return { phase: 'down', why: 'unreachable', detail: `HTTP ${answer.status}` };
    return { phase: 'down', why: 'refused', detail: `HTTP ${answer.status} ${answer.statusText}`.trim() };
  } catch {
    return { phase: 'down', why: 'unreachable', detail: '' };
  } finally {
    clearTimeout(timer);
  }
}
