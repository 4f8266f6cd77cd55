// The parts that the elements of a page share: one connection for each relay and credentials, the observers, and the style.

import { addressesOf } from './relay-address.js';
import { Relay } from './relay.js';
import { Sight } from './sight.js';
import { STYLE } from './style.js';

/** @typedef {import('./relay-address.js').Given} Given */

/** A connection without elements is kept for this long, in milliseconds: a page may move an element, or replace it. */
const GRACE_PERIOD = 2_000;

export class Relays {
  sight = new Sight();
  /** A content security policy does not restrict it, as it would a <style>. */
  sheet = new CSSStyleSheet();
  /** @type {Map<string, Relay>} */
  #open = new Map();
  /** @type {Map<Relay, ReturnType<typeof setTimeout>>} */
  #closing = new Map();

  /** @param {{ home: URL, worker: URL }} files `home`: the relay that serves them; `worker`: the module of the worker */
  constructor(files) {
    this.files = files;
    this.sheet.replaceSync(STYLE);
  }

  /** Returns the connection for these attributes; `null` if they name no relay. @param {Given} given */
  at(given) {
    const addresses = addressesOf(given, { home: this.files.home, page: document.baseURI });
    if (!addresses) return null;
    const known = this.#open.get(addresses.socket);
    if (known) return this.#keep(known);
    /** @type {Relay} */
    const relay = new Relay(this.files.worker, addresses, {
      onEmpty: () => this.#closing.set(relay, setTimeout(() => this.#close(relay), GRACE_PERIOD)),
      onFailed: () => this.#close(relay),
    });
    this.#open.set(addresses.socket, relay);
    return relay;
  }

  /** @param {Relay} relay */
  #keep(relay) {
    clearTimeout(this.#closing.get(relay));
    this.#closing.delete(relay);
    return relay;
  }

  /** @param {Relay} relay */
  #close(relay) {
    this.#keep(relay);
    this.#open.delete(relay.addresses.socket);
    relay.close();
  }
}
