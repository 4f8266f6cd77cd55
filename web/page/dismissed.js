// Streams that are gone and whose tiles the viewer dismissed, stored on this machine: they stay dismissed after a reload, until
// the stream returns.

import { isStreamName, MAX_STREAMS } from '../shared/protocol.js';

/** @typedef {import('../shared/protocol.js').StreamInfo} StreamInfo */

const KEY = 'fanlight.dismissed';

export class Dismissed {
  /** When each of them went, in microseconds of the relay's clock. @type {Map<string, number>} */
  #since = new Map();

  /** @param {Storage | null} storage */
  constructor(storage) {
    this.storage = storage;
    this.#load();
  }

  /** @param {StreamInfo} info */
  has({ name, gone, since }) {
    return gone && since <= (this.#since.get(name) ?? -1);
  }

  /** @param {string} name @param {number} since */
  add(name, since) {
    this.#since.delete(name);
    this.#since.set(name, since);
    const [oldest] = this.#since.keys();
    if (this.#since.size > MAX_STREAMS && oldest !== undefined) this.#since.delete(oldest);
    this.#save();
  }

  /** Forgets streams that have returned. @param {readonly StreamInfo[]} streams */
  update(streams) {
    const returned = streams.filter(({ name, gone }) => !gone && this.#since.delete(name));
    if (returned.length > 0) this.#save();
  }

  #load() {
    try {
      const kept = Object.entries(JSON.parse(this.storage?.getItem(KEY) ?? '{}')).slice(0, MAX_STREAMS);
      for (const [name, since] of kept) if (isStreamName(name) && typeof since === 'number') this.#since.set(name, since);
    } catch {
      // Storage may be forbidden, or its content damaged.
    }
  }

  #save() {
    try {
      this.storage?.setItem(KEY, JSON.stringify(Object.fromEntries(this.#since)));
    } catch {
      // Storage may be full or forbidden. Then the tiles return with the next page.
    }
  }
}
