// Parts of the page that are loaded on demand. A load may fail because the relay is away at that moment. Older browsers
// remember the failure, as HTML demanded for years (whatwg/html#6768): they reject every later import of the same address
// without asking the relay again.

import { Backoff } from './backoff.js';

/** A load that takes longer than this counts as failed; where it succeeds later, the next attempt finds it. */
const LONGEST_LOAD = 30_000;
/** Attempts to load a module that the page needs follow each other no faster than this, and no slower. */
const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

/**
 * Loads a module, and tries a second time under another address.
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
    const timer = setTimeout(() => reject(new Error(`not loaded within ${LONGEST_LOAD / 1000} s`)), LONGEST_LOAD);
    loading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A module that the page needs sooner or later, and until then works without. @template T */
export class LazyModule {
  #started = false;
  #notBefore = -Infinity;
  #backoff = new Backoff({ first: FIRST_RETRY, most: LONGEST_RETRY });

  /** @param {{ now: () => number, load: () => Promise<T>, use: (module: T) => void }} env `now` in milliseconds */
  constructor(env) {
    this.env = env;
  }

  /** Loads the module, unless that was done, or failed a moment ago. Called again and again until it is there. */
  request() {
    const { now, load, use } = this.env;
    if (this.#started || now() < this.#notBefore) return;
    this.#started = true;
    void load().then(use, () => {
      this.#started = false;
      this.#notBefore = now() + this.#backoff.next();
    });
  }

  /** The relay is reachable: a failure from before means nothing. */
  retryNow() {
    this.#backoff.reset();
    this.#notBefore = -Infinity;
  }
}
