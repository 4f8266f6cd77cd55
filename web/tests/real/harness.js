// A site: real captures, a real relay and a real Chromium. Every test gets its own and leaves nothing behind. The programs are
// those in FANLIGHT_BIN_DIR, otherwise in target/debug.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newPage, startChromium } from '../page.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} Options */

const PROGRAMS = process.env.FANLIGHT_BIN_DIR ?? fileURLToPath(new URL('../../../target/debug', import.meta.url));
const SHOWING = /serving live video at (http:\/\/[^\s"]+)/;
/** Timeout of waits for a page, in milliseconds. */
const PATIENCE = 20_000;
/** Both programs end within two seconds; a busy machine may take longer. In milliseconds. */
const MAX_GOODBYE = 10_000;

/** One process of a site, with its log. */
class Program {
  /** @type {string[]} */
  log = [];
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #over = false;
  #ended = false;

  /** @param {string} file @param {string[]} options @param {string} folder */
  constructor(file, options, folder) {
    this.name = file;
    // No environment of the person who runs the tests: all options are explicit.
    const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder };
    this.child = spawn(file, options, { env });
    this.gone = new Promise((resolve) => this.child.once('exit', resolve).once('error', resolve));
    void this.gone.then(() => {
      this.#over = true;
      this.#tellListeners();
    });
    createInterface(this.child.stderr).on('line', (line) => {
      this.log.push(line);
      this.#tellListeners();
    });
  }

  /** Waits for a line of the log. @param {RegExp} pattern @returns {Promise<string>} the first group of the match */
  async says(pattern) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#tellListeners();
    }, PATIENCE);
    try {
      return await this.#until(pattern, () => late);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills the program, as a power cut would. */
  async kill() {
    this.#ended = true;
    this.child.kill('SIGKILL');
    await this.gone;
  }

  /** Ends the program. Throws if it had to be killed. */
  async stop() {
    if (this.#over) return;
    this.#ended = true;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), MAX_GOODBYE);
    await this.gone;
    clearTimeout(timer);
    if (this.child.signalCode === 'SIGKILL') throw new Error(`${this.name} did not end:\n${this.log.join('\n')}`);
  }

  /** Returns a report if the program ended by itself; otherwise an empty text. */
  obituary() {
    if (!this.#over || this.#ended) return '';
    const { exitCode, signalCode } = this.child;
    const how = exitCode === null ? (signalCode ?? 'not started') : `exit code ${exitCode}`;
    return `${this.name} is gone (${how}):\n${this.log.join('\n')}`;
  }

  /** @param {RegExp} pattern @param {() => boolean} late @returns {Promise<string>} */
  async #until(pattern, late) {
    for (;;) {
      const match = this.log.map((line) => pattern.exec(line)).find((found) => found !== null);
      if (match) return match[1] ?? match[0];
      if (this.#over) throw new Error(this.obituary());
      if (late()) throw new Error(`${this.name} did not say ${pattern}:\n${this.log.join('\n')}`);
      await new Promise((resolve) => this.#listeners.add(() => resolve(null)));
    }
  }

  #tellListeners() {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    listeners.forEach((listener) => listener());
  }
}

export class Site {
  address = '';
  /** Sockets of all pages. */
  sockets = 0;
  /** @type {Error[]} */
  failures = [];
  /** @type {Program[]} */
  #programs = [];

  /** @param {string} folder @param {import('playwright-core').Browser} browser */
  constructor(folder, browser) {
    this.folder = folder;
    this.browser = browser;
  }

  /** Starts a capture. @param {Record<string, string>} streams sources by name */
  capture(streams) {
    return this.#start('fanlight-capture', Object.entries(streams).flatMap(([name, source]) => ['--stream', `${name}=${source}`]));
  }

  /** Runs a command as a person would who copied it. @param {string} command */
  shell(command) {
    return this.#keep(new Program('/bin/sh', ['-c', `exec ${command}`], this.folder));
  }

  /** Starts a relay, and waits until it listens. @param {...string} options */
  async relay(...options) {
    const listen = options.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    const relay = this.#start('fanlight-relay', [...listen, ...options]);
    this.address = `${await relay.says(SHOWING)}/`;
    return relay;
  }

  /** Address and port of the relay, as `--listen` takes it. */
  get listening() {
    return new URL(this.address).host;
  }

  /** @param {string} [path] @param {Options} [options] */
  async open(path = '', options) {
    const page = await newPage(this.browser, this.failures, { options });
    page.on('websocket', () => (this.sockets += 1));
    await page.goto(this.address + path);
    return page;
  }

  /** Ends all programs. Throws if one had ended before, or does not end now. */
  async close() {
    const lost = this.#programs.map((program) => program.obituary()).filter((text) => text !== '');
    await Promise.all(this.#programs.map((program) => program.stop()));
    if (lost.length > 0) throw new Error(lost.join('\n'));
  }

  /** @param {string} name @param {string[]} options */
  #start(name, options) {
    return this.#keep(new Program(join(PROGRAMS, name), [...options, '--log', 'json'], this.folder));
  }

  /** @param {Program} program */
  #keep(program) {
    this.#programs.push(program);
    return program;
  }
}

/** Runs a test with a site of its own. @param {(site: Site) => Promise<void>} act */
export function withSite(act) {
  return async () => {
    // mkdtemp creates it with mode 0700, which the programs require.
    const folder = await mkdtemp(join(tmpdir(), 'fanlight-page-'));
    const browser = await startChromium();
    const site = new Site(folder, browser);
    try {
      await act(site);
      if (site.failures[0]) throw site.failures[0];
    } finally {
      await browser.close();
      await site.close().finally(() => rm(folder, { recursive: true, force: true }));
    }
  };
}

/** Marks a page, so that `isMarked` detects a reload. @param {Page} page */
export async function mark(page) {
  await page.evaluate(() => void Object.assign(globalThis, { marked: true }));
}

/** @param {Page} page */
export async function isMarked(page) {
  return page.evaluate(() => 'marked' in globalThis);
}

/** Returns the time from the start of the navigation to the first picture, which may be a preview, in milliseconds. @param {Page} page */
export async function firstPicture(page) {
  return markOf(page, 'fanlight-first-frame');
}

/** Returns the same time to the first frame of the stream. @param {Page} page */
export async function firstLivePicture(page) {
  return markOf(page, 'fanlight-first-live-frame');
}

/** Waits for a mark, and returns its time. @param {Page} page @param {string} name */
async function markOf(page, name) {
  const found = (/** @type {string} */ name) => performance.getEntriesByName(name)[0]?.startTime ?? null;
  await page.waitForFunction(found, name);
  return (await page.evaluate(found, name)) ?? NaN;
}
