// The one socket to the relay, in the worker: opens it, keeps it, and says in words how it is.
// Messages pass through unread but for `clock`, which is measured here because only here the moments are known.

import { Backoff } from '../shared/backoff.js';
import { RelayClock } from './clock.js';
import { SUBPROTOCOL, parseControl, parseFrame } from '../shared/protocol.js';
import { LinkTimeout } from './link-timeout.js';

/** @typedef {import('../shared/protocol.js').FromRelay} FromRelay */
/** @typedef {import('../shared/protocol.js').Frame} Frame */

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
/** A connection attempt is given up after this time, since a browser may wait minutes for a lost packet of it. */
const CONNECT_TIMEOUT = 5_000;
/** The next attempt waits twice as long, up to this: a slow link must be able to connect at all. */
const MAX_CONNECT_TIMEOUT = 20_000;
/** An attempt that is older than this is started again when the page has a reason to expect success. */
const RECENT_ATTEMPT = 1_000;
/** A refusal does not heal by asking often, and each attempt stands in the relay's log. */
const REFUSED_WAIT = 30_000;
const PROBE_TIMEOUT = 3_000;
/** A socket open for so long has proved itself, even on a wall without a stream. */
const PROVEN_AFTER = 5_000;
const TIMERS = /** @type {const} */ (['retry', 'connect', 'clock', 'answer']);
/** @typedef {(typeof TIMERS)[number]} TimerName */

export class Connection {
  clock = new RelayClock();
  malformed = 0;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Addresses | null} */
  #addresses = null;
  #backoff = new Backoff();
  #linkTimeout = new LinkTimeout();
  /** Each calls off one timer. @type {Partial<Record<TimerName, () => void>>} */
  #timers = {};
  #attemptedAt = 0;
  #connectTimeout = CONNECT_TIMEOUT;
  #openedAt = 0;
  #clockWait = CLOCK_FIRST;
  #burst = 0;

  /**
   * @param {{ now: () => number, after: (time: number, act: () => void) => () => void, onOpen: () => void,
   *   onLink: (link: Link) => void, onMessage: (message: FromRelay) => void, onFrame: (frame: Frame) => void,
   *   onScaleChange: () => void }} env times in milliseconds; `after` returns what calls it off; `onScaleChange`: frames may
   *   be larger than `halvings` allowed before
   */
  constructor(env) {
    this.env = env;
  }

  /** How often width and height of each requested picture have to be halved for this link. */
  get halvings() {
    return this.#linkTimeout.halvings;
  }

  /** @param {Addresses} addresses */
  open(addresses) {
    this.#addresses = addresses;
    this.#backoff.reset();
    this.#connectTimeout = CONNECT_TIMEOUT;
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

  /**
   * Something changed for the better, such as the network or the page's visibility: tries immediately, or checks whether
   * the socket still lives. An attempt that began before the change may wait for a packet that was lost then.
   */
  wake() {
    const state = this.#socket?.readyState;
    if (state === WebSocket.OPEN) {
      this.#measureClock();
      return;
    }
    if (state === WebSocket.CONNECTING && this.env.now() - this.#attemptedAt <= RECENT_ATTEMPT) return;
    this.#connectTimeout = CONNECT_TIMEOUT;
    this.#connect();
  }

  /** Frames come: the next loss is a new story. */
  proven() {
    this.#backoff.reset();
  }

  #connect() {
    if (!this.#addresses) return;
    this.#drop();
    this.env.onLink({ phase: 'connecting', why: '', detail: '' });
    const socket = new WebSocket(this.#addresses.socket, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ reason }) => this.#closed(reason);
    this.#socket = socket;
    this.#attemptedAt = this.env.now();
    this.#setTimer('connect', this.#connectTimeout, () => this.#connectTimedOut());
  }

  #connectTimedOut() {
    this.#connectTimeout = Math.min(MAX_CONNECT_TIMEOUT, 2 * this.#connectTimeout);
    this.#closed('');
  }

  #opened() {
    this.#cancel('connect');
    this.#connectTimeout = CONNECT_TIMEOUT;
    this.#openedAt = this.env.now();
    this.#linkTimeout.opened(this.#openedAt);
    this.clock.reset();
    this.#clockWait = CLOCK_FIRST;
    this.env.onOpen();
    this.env.onLink({ phase: 'open', why: '', detail: '' });
    this.#measureClock();
  }

  /** @param {unknown} data */
  #received(data) {
    this.#cancel('answer');
    this.#linkTimeout.messageReceived(this.env.now());
    if (data instanceof ArrayBuffer) {
      this.#receivedFrame(parseFrame(data));
      return;
    }
    const message = typeof data === 'string' ? parseControl(data) : null;
    if (!message) this.malformed += 1;
    else if (message.type === 'clock') this.#clockAnswered(message);
    else this.env.onMessage(message);
  }

  /** @param {Frame | null} frame */
  #receivedFrame(frame) {
    if (!frame) {
      this.malformed += 1;
      return;
    }
    this.env.onFrame(frame);
    if (this.#linkTimeout.tryRecover(this.env.now())) this.env.onScaleChange();
  }

  /** @param {string} reason */
  #closed(reason) {
    const wasOpen = this.#openedAt > 0;
    if (wasOpen && this.env.now() - this.#openedAt > PROVEN_AFTER) this.#backoff.reset();
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
    this.env.onLink(link);
    const refused = link.why === 'token' || link.why === 'refused';
    const wait = refused ? REFUSED_WAIT : this.#backoff.next();
    this.#setTimer('retry', wait, () => this.#connect());
  }

  #measureClock() {
    this.#burst = CLOCK_BURST;
    this.#askClock();
    this.#setTimer('clock', this.#clockWait, () => this.#measureClock());
    this.#clockWait = Math.min(2 * this.#clockWait, CLOCK_EVERY);
    this.#awaitAnswer();
  }

  /** The oldest unanswered question counts: a further one must not extend the time. */
  #awaitAnswer() {
    if (this.#timers.answer) return;
    this.#linkTimeout.requestSent(this.env.now());
    this.#setTimer('answer', this.#linkTimeout.limit, () => this.#answerTimedOut());
  }

  #answerTimedOut() {
    this.#linkTimeout.timedOut(this.env.now());
    this.#closed('no answer');
  }

  #askClock() {
    this.#burst -= 1;
    this.send({ type: 'clock', t0: Math.round(this.env.now() * 1000) });
  }

  /** @param {import('../shared/protocol.js').Clock} answer */
  #clockAnswered({ t0, t1, t2 }) {
    this.clock.add(t0, t1, t2, this.env.now() * 1000);
    if (this.#burst > 0) this.#askClock();
  }

  /** Lets go of the socket without waiting for its goodbye, which a dead link would hold up for minutes. */
  #drop() {
    for (const name of TIMERS) this.#cancel(name);
    this.#openedAt = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {TimerName} name @param {number} time @param {() => void} act */
  #setTimer(name, time, act) {
    this.#cancel(name);
    this.#timers[name] = this.env.after(time, () => {
      delete this.#timers[name];
      act();
    });
  }

  /** @param {TimerName} name */
  #cancel(name) {
    this.#timers[name]?.();
    delete this.#timers[name];
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
