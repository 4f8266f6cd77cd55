// One connection of a page: the page's worker with its socket and its decoders, for all elements that show streams of one relay.

import { Visibility } from '../page/visibility.js';
import { EmbeddedStream } from './embedded-stream.js';
import { startWorker } from './worker-start.js';

/** @typedef {import('../shared/messages.js').ToWorker} ToWorker */
/** @typedef {import('../shared/messages.js').FromWorker} FromWorker */
/** @typedef {import('../shared/messages.js').Link} Link */
/** @typedef {import('./embedded-stream.js').Watcher} Watcher */

/** Interval of updates without a message: when the worker is silent, an old picture must not pass as live. In milliseconds. */
const WATCHDOG = 1000;
/** A worker that did not start is started again after this time, in milliseconds: the relay may have been away. */
const RESTART_AFTER = 10_000;
const NO_WORKER =
  'the player does not start. The content security policy of the page must allow script-src of the relay and worker-src blob:';

const now = () => performance.timeOrigin + performance.now();

export class Relay {
  /** @type {Link} */
  link = { phase: 'connecting', why: '', detail: '' };
  /** From the first failure until the socket is open again. */
  lost = false;
  /** Relay's clock minus ours, in milliseconds. */
  ahead = 0;
  /** @type {Map<number, EmbeddedStream>} */
  #streams = new Map();
  /** The relay's list, by name; `null` before the first. @type {Map<string, import('../shared/protocol.js').StreamInfo> | null} */
  #listed = null;
  #lastId = 0;
  #build = '';
  #started = false;
  #end = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #restart;

  /**
   * @param {URL} module of the worker
   * @param {import('../shared/messages.js').Addresses & { host: string }} addresses
   * @param {{ onEmpty: () => void, onFailed: () => void }} env `onEmpty`: no element is left; `onFailed`: the worker did not start
   */
  constructor(module, addresses, env) {
    this.addresses = addresses;
    this.env = env;
    this.visibility = new Visibility({
      now,
      post: (message) => this.post(message),
      early: new Map(),
      tiles: () => this.#streams.values(),
      limits: (stream) => stream.watcher.limits(stream),
    });
    this.worker = this.#startWorker(module);
    this.#connect();
    const { signal } = this.#end;
    document.addEventListener('visibilitychange', () => this.#visibilityChanged(), { signal });
    addEventListener('online', () => this.post({ type: 'wake' }), { signal });
    this.watchdog = setInterval(() => this.#render(), WATCHDOG);
  }

  /** @param {ToWorker} message @param {Transferable[]} [transfer] */
  post(message, transfer = []) {
    this.worker?.postMessage(message, transfer);
  }

  /** Shows a stream. @param {string} name @param {Watcher} watcher @returns {EmbeddedStream} */
  join(name, watcher) {
    this.#lastId += 1;
    const stream = new EmbeddedStream(name, this.#lastId, watcher);
    this.#streams.set(stream.id, stream);
    this.post(...stream.connectCanvas());
    const info = this.#listed?.get(name);
    if (info) stream.list(info);
    return stream;
  }

  /** @param {EmbeddedStream} stream */
  leave(stream) {
    this.visibility.remove(stream);
    if (!this.#streams.delete(stream.id)) return;
    this.post({ type: 'forget', id: stream.id });
    if (this.#streams.size === 0) this.env.onEmpty();
  }

  /** Pauses a stream, or shows it live again. @param {EmbeddedStream} stream @param {boolean} paused */
  setPaused(stream, paused) {
    stream.paused = paused;
    if (!paused) this.visibility.update();
    // Until there is a picture to keep, it stays requested.
    else if (stream.size !== null) this.visibility.stop(stream);
  }

  /** Determines a stream's status. @param {EmbeddedStream} stream */
  update(stream) {
    stream.updateStatus(!this.lost, now(), this.ahead);
    return stream.ageAt(now());
  }

  close() {
    clearInterval(this.watchdog);
    clearTimeout(this.#restart);
    this.#end.abort();
    this.worker?.terminate();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) {
      this.visibility.remove(stream);
      stream.watcher.onClosed();
    }
  }

  /** @param {URL} module @returns {Worker | null} */
  #startWorker(module) {
    try {
      const worker = startWorker(module);
      worker.onmessage = (/** @type {MessageEvent<FromWorker>} */ { data }) => this.#receive(data);
      worker.onerror = () => this.#failed();
      return worker;
    } catch {
      // Some browsers report a policy that forbids the worker immediately.
      this.#failed();
      return null;
    }
  }

  #connect() {
    const screen = { maxWidth: 1, maxHeight: 1 };
    const { socket, check } = this.addresses;
    this.post({ type: 'open', screen, addresses: { socket, check }, codec: 'auto', wall: false });
  }

  /** @param {FromWorker} message */
  #receive(message) {
    this.#started = true;
    if (message.type === 'link') this.#setLink(message.link);
    else if (message.type === 'relay') this.#receiveFromRelay(message.message);
    else if (message.type === 'painted') this.#painted(message);
    else if (message.type === 'bitmap') this.#paint(message.id, message.bitmap);
    else if (message.type === 'stats') this.#takeStats(message);
  }

  /** @param {import('../shared/protocol.js').FromRelay} message */
  #receiveFromRelay(message) {
    if (message.type === 'hello') this.#greet(message.build);
    else if (message.type === 'streams') this.#list(message.streams);
    else if (message.type !== 'clock' && message.id !== null) {
      const stream = this.#streams.get(message.id);
      stream?.receive(message);
      stream?.watcher.onChange();
    }
  }

  /** @param {readonly import('../shared/protocol.js').StreamInfo[]} infos */
  #list(infos) {
    this.#listed = new Map(infos.map((info) => [info.name, info]));
    for (const stream of this.#streams.values()) {
      const info = this.#listed.get(stream.name);
      if (!info) continue;
      // The relay did not know it when it was requested.
      if (stream.error) this.visibility.again(stream);
      stream.list(info);
    }
    this.#render();
  }

  /** @param {string} build of the relay */
  #greet(build) {
    const isUpgrade = this.#build !== '' && this.#build !== build;
    this.#build = build;
    if (isUpgrade) for (const { watcher } of this.#streams.values()) watcher.onUpgrade();
  }

  /** @param {Link} link */
  #setLink(link) {
    if (link.phase !== 'connecting') this.lost = link.phase === 'down';
    if (link.phase === 'open') {
      // The state of each stream is from the old socket; the new one reports it again.
      for (const stream of this.#streams.values()) if (stream.watchedSince !== null) stream.start(now());
    }
    // While it reconnects, the reason for the last failure is still the news.
    if (link.phase !== 'connecting' || !this.lost) this.link = link;
    this.#render();
  }

  /** @param {Extract<FromWorker, { type: 'painted' }>} message */
  #painted({ id, width, height, stats }) {
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.showSize({ width, height });
    stream.stats = stats;
    if (stream.paused) this.visibility.stop(stream);
    stream.watcher.onChange();
    // The shape of the picture may change what must be requested.
    this.visibility.update();
  }

  /** The stream may be gone before its bitmap arrives. @param {number} id @param {ImageBitmap} bitmap */
  #paint(id, bitmap) {
    const stream = this.#streams.get(id);
    if (!stream) return bitmap.close();
    stream.paint(bitmap);
    this.post({ type: 'bitmap-painted', id });
  }

  /** @param {Extract<FromWorker, { type: 'stats' }>} message */
  #takeStats({ offset, players }) {
    if (offset !== null) this.ahead = offset / 1000;
    for (const stats of players) {
      const stream = this.#streams.get(stats.id);
      if (!stream) continue;
      stream.stats = stats;
      stream.watcher.onChange();
    }
  }

  #failed() {
    // A later error ends one task of the worker, and not the worker.
    if (this.#started || this.#restart !== undefined) return;
    this.#setLink({ phase: 'down', why: 'refused', detail: NO_WORKER });
    this.#restart = setTimeout(() => this.env.onFailed(), RESTART_AFTER);
  }

  #visibilityChanged() {
    this.visibility.update();
    if (!document.hidden) this.post({ type: 'wake' });
    this.#render();
  }

  #render() {
    if (document.hidden) return;
    for (const { watcher } of this.#streams.values()) watcher.onChange();
  }
}
