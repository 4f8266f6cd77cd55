// The socket to the relay: opens it, keeps it open, and reports its state. Messages pass through unread, except for `clock`,
// which is handled here because its timestamps are only accurate here.

import { Backoff } from '../shared/backoff.js';
import { parseControl, parseFrame, SUBPROTOCOL } from '../shared/protocol.js';
import { RelayClock } from './clock.js';
import { LinkTimeout } from './link-timeout.js';

/** @typedef {import('../shared/protocol.js').FromRelay} FromRelay */
/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('../shared/messages.js').Link} Link */
/** @typedef {import('../shared/messages.js').Addresses} Addresses */

const CLOCK_EVERY = 10_000;
/** The clock is asked again soon, because answers wait unread while the page loads. Then the interval doubles up to `CLOCK_EVERY`. */
const CLOCK_FIRST = 500;
/** The first answers of a burst are slow, because caches are cold. The best of four is close to the link's round trip. */
const CLOCK_BURST = 4;
/** A connection attempt ends after this time, because a browser may wait minutes for a lost packet. */
const CONNECT_TIMEOUT = 5_000;
/** The timeout doubles with each attempt up to this, so that a slow link can connect at all. */
const MAX_CONNECT_TIMEOUT = 20_000;
/** An older attempt restarts when the page has a reason to expect success. */
const RECENT_ATTEMPT = 1_000;
/** Frequent retries do not change a refusal, and each one is an entry in the relay's log. */
const REFUSED_WAIT = 30_000;
/** The relay's own page never meets this, but pages of others do. */
const FORBIDDEN =
  'the browser forbids the connection. A page over https needs a relay over https, and its content security policy must allow connect-src of the relay';
const CHECK_TIMEOUT = 3_000;
/** A longer answer is not a relay's reason. In letters. */
const MAX_REASON = 300;
/** A socket that was open for this long works, even on a wall without streams. */
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
  /** Functions that cancel one timer each. @type {Partial<Record<TimerName, () => void>>} */
  #timers = {};
  #attemptedAt = 0;
  #connectTimeout = CONNECT_TIMEOUT;
  #openedAt = 0;
  #clockWait = CLOCK_FIRST;
  #burst = 0;

  /**
   * @param {{ now: () => number, after: (time: number, act: () => void) => () => void, onOpen: () => void,
   *   onLink: (link: Link) => void, onMessage: (message: FromRelay) => void, onFrame: (frame: Frame) => void,
   *   onScaleChange: () => void }} env times in milliseconds. `after` returns a function that cancels it. `onScaleChange`:
   *   `halvings` became smaller
   */
  constructor(env) {
    this.env = env;
  }

  /** Number of times that width and height of each request are halved for this link. */
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

  /** Sends a message, or drops it if the socket is not open: `onOpen` sends everything that is needed again. @param {object} message */
  send(message) {
    this.sendText(JSON.stringify(message));
  }

  /** @param {string} text */
  sendText(text) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /**
   * The network returned or the page became visible: connects immediately, or checks that the socket still works. An attempt
   * from before that may wait for a packet that was lost then.
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

  /** Frames arrive: the next loss starts with a short retry. */
  proven() {
    this.#backoff.reset();
  }

  #connect() {
    if (!this.#addresses) return;
    this.#drop();
    this.env.onLink({ phase: 'connecting', why: '', detail: '' });
    const socket = openSocket(this.#addresses.socket);
    if (!socket) {
      this.#retry({ phase: 'down', why: 'refused', detail: FORBIDDEN });
      return;
    }
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

  /** Finds out why the WebSocket was refused, with an HTTP request to the same relay: the browser does not report it. */
  async #explain() {
    const addresses = this.#addresses;
    if (!addresses) return;
    const link = await checkRelay(addresses.check);
    // The viewer may have entered a token, or another attempt may have started, in the meantime.
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

  /** Starts the timeout, unless an older question is unanswered: a further one must not extend its time. */
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

  /** Drops the socket without waiting for its close handshake, which can take minutes on a silent link. */
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

/** Returns `null` if the browser forbids this page to open it. @param {string} address */
function openSocket(address) {
  try {
    return new WebSocket(address, SUBPROTOCOL);
  } catch {
    return null;
  }
}

/** @param {string} address @returns {Promise<Link>} */
async function checkRelay(address) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), CHECK_TIMEOUT);
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: abort.signal });
    if (answer.ok) return { phase: 'down', why: 'no-socket', detail: '' };
    if (answer.status === 401) return { phase: 'down', why: 'token', detail: '' };
    // A proxy answers like this while the relay behind it is away.
    if (answer.status >= 500) return { phase: 'down', why: 'unreachable', detail: `HTTP ${answer.status}` };
    return { phase: 'down', why: 'refused', detail: await reasonIn(answer) };
  } catch {
    return { phase: 'down', why: 'unreachable', detail: '' };
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the relay's reason, which is one line of text, or else the status. @param {Response} answer */
async function reasonIn(answer) {
  const status = `HTTP ${answer.status} ${answer.statusText}`.trim();
  if (!answer.headers.get('content-type')?.startsWith('text/plain')) return status;
  const text = (await answer.text()).trim();
  return text !== '' && text.length <= MAX_REASON && !text.includes('\n') ? text : status;
}
