// The addresses of a relay that an element names. Pure.

/** @typedef {import('../shared/messages.js').Addresses} Addresses */
/** @typedef {{ src: string, token: string, link: string }} Given the attributes of an element; empty if it has none */

/**
 * Returns the addresses to connect to; `null` if `src` is no address of a web server.
 * @param {Given} given @param {{ home: URL, page: string }} at `home`: the relay that serves this file; `page`: the page's base
 * @returns {(Addresses & { host: string }) | null}
 */
export function addressesOf({ src, token, link }, { home, page }) {
  const base = src === '' ? home : parse(src, page);
  if (!base) return null;
  const socket = within(base, 'ws', { token, link });
  socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';
  return { socket: socket.href, check: within(base, 'api/streams', { token, link }).href, host: base.host };
}

/** @param {string} src @param {string} page @returns {URL | null} */
function parse(src, page) {
  try {
    const url = new URL(src, page);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url : null;
  } catch {
    return null;
  }
}

/** Returns an address of a relay, below the path prefix of a reverse proxy. @param {URL} base @param {string} path @param {{ token: string, link: string }} credentials */
function within(base, path, { token, link }) {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`;
  url.search = '';
  url.hash = '';
  url.username = '';
  url.password = '';
  if (link) url.searchParams.set('link', link);
  else if (token) url.searchParams.set('token', token);
  return url;
}
