// The viewer's access beyond this tab: a session that the browser keeps, and links for other people.

import { address, forgetToken, hasToken, useToken } from '../boot.js';

/** Marks that this browser keeps a session: the page cannot read its cookie. */
const KEPT = 'fanlight.session';
/** Timeout of a request, in milliseconds. */
const TIMEOUT = 10_000;

/**
 * Signs in with a token: for this tab, or until the viewer signs out.
 * @param {string} token @param {boolean} keep
 */
export async function signIn(token, keep) {
  if (keep && (await request('POST', 'api/session?keep=true', { authorization: `Bearer ${token}` }))) {
    mark(true);
    useToken('');
    return;
  }
  // A relay that does not know the token says so when the page connects.
  useToken(token);
}

/** Signs out of this browser, and asks for a token again. */
export async function signOut() {
  await request('DELETE', 'api/session');
  mark(false);
  forgetToken();
  location.reload();
}

/** Returns whether the viewer has signed in, and so may sign out. */
export function isSignedIn() {
  try {
    return hasToken() || localStorage.getItem(KEPT) === '1';
  } catch {
    return hasToken();
  }
}

/** `address`: of the page, with the link. @typedef {{ link: string, address: string }} MadeLink */

/**
 * Makes a link to a stream.
 * @param {string} stream @param {number} seconds for which it is valid @returns {Promise<MadeLink | null>} `null` if the relay refuses
 */
export async function makeLink(stream, seconds) {
  const answer = await request('POST', `api/links?stream=${stream}&for=${seconds}`);
  if (!answer) return null;
  const { link, address: relative } = await answer.json();
  return { link, address: new URL(relative, document.baseURI).href };
}

/** @param {string} method @param {string} path @param {Record<string, string>} [headers] @returns {Promise<Response | null>} */
async function request(method, path, headers = {}) {
  try {
    const answer = await fetch(address(path), { method, headers, cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT) });
    return answer.ok ? answer : null;
  } catch {
    return null;
  }
}

/** @param {boolean} kept */
function mark(kept) {
  try {
    if (kept) localStorage.setItem(KEPT, '1');
    else localStorage.removeItem(KEPT);
  } catch {
    // The browser forbids storage: it offers no way to sign out then, and keeps no session either.
  }
}
