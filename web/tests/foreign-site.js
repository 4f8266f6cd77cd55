// A web server of another origin than the relay's, with one page, on which cameras are embedded.

import { createServer } from 'node:http';

export class ForeignSite {
  html = '';
  /** @type {Record<string, string>} */
  headers = {};
  address = '';
  #server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...this.headers }).end(this.html);
  });

  async start() {
    await new Promise((resolve) => this.#server.listen(0, 'localhost', () => resolve(undefined)));
    const address = this.#server.address();
    // Another host name than the relay's: also another site, to which a browser sends no cookie of the relay.
    if (typeof address === 'object' && address) this.address = `http://localhost:${address.port}/`;
    return this;
  }

  /** The origin of its page. */
  get origin() {
    return new URL(this.address).origin;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Returns a page that embeds elements. @param {string} relay its address @param {string} body */
export function pageWith(relay, body) {
  return `<!doctype html><html lang="en"><title>Cameras</title><script type="module" src="${relay}embed.js"></script>${body}</html>`;
}

/** Waits until an element shows a later frame than now. @param {import('playwright-core').Page | import('playwright-core').Frame} page @param {string} element a selector */
export async function untilElementMoves(page, element) {
  await page.waitForSelector(`${element} .box[data-state="live"]`);
  const before = Number(await page.getAttribute(`${element} .box`, 'data-sequence'));
  await page.waitForFunction(
    ([element, before]) => {
      const box = document.querySelector(String(element))?.shadowRoot?.querySelector('.box');
      return box?.getAttribute('data-state') === 'live' && Number(box.getAttribute('data-sequence')) > Number(before);
    },
    [element, before],
  );
}
