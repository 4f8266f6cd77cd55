// Modules loaded on demand. A load fails if the relay is away at that moment. Older browsers remember the failure, as HTML
// required for years (whatwg/html#6768): they reject every later import of the same address without asking the relay.

import { Backoff } from './backoff.js';

/** A load that takes longer than this, in milliseconds, counts as failed. If it succeeds later, the next attempt finds it. */
const MAX_LOAD = 30_000;
/** First and longest interval between attempts to load a module, in milliseconds. */
const FIRST_RETRY = 1_000;
const MAX_RETRY = 30_000;

/**
 * Loads a module. Retries once under another address.
 * @template T @param {() => Promise<T>} load imports it @param {URL} address of its file @returns {Promise<T>}
 */
export async function loadModule(load, address) {
  try {
    return await inTime(load());
  } catch {
    const again = new URL(address);
    again.searchParams.set('again', String(Date.now()));
    return inTime(/** @type {Promise<T>} */ (import(again.href)));
  }
}

/** @template T @param {Promise<T>} loading @returns {Promise<T>} */
function inTime(loading) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not loaded within ${MAX_LOAD / 1000} s`)), MAX_LOAD);
    loading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A module that the page works without until it is loaded. @template T */
export class LazyModule {
  #started = false;
  #notBefore = -Infinity;
  #backoff = new Backoff({ first: FIRST_RETRY, most: MAX_RETRY });

  /** @param {{ now: () => number, load: () => Promise<T>, use: (module: T) => void }} env `now` in milliseconds */
  constructor(env) {
    this.env = env;
  }

  /** Loads the module, unless it is loaded or an attempt failed a moment ago. Callers repeat this until it is loaded. */
  request() {
    const { now, load, use } = this.env;
    if (this.#started || now() < this.#notBefore) return;
    this.#started = true;
    void load().then(use, () => {
      this.#started = false;
      this.#notBefore = now() + this.#backoff.next();
    });
  }

  /** The relay is reachable: earlier failures no longer count. */
  retryNow() {
    this.#backoff.reset();
    this.#notBefore = -Infinity;
  }
}
