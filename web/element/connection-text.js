// The words for a connection that does not deliver pictures. Pure.

import { CONNECTION_LOST } from '../page/tile-status.js';

/** @typedef {import('../shared/messages.js').Link} Link */

/** Returns whether a relay refuses the connection, so that waiting does not help. @param {Link} link */
export function isRefused({ phase, why }) {
  return phase === 'down' && (why === 'token' || why === 'refused' || why === 'no-socket');
}

/**
 * Returns what is wrong with a connection.
 * @param {Link} link @param {{ host: string, token: string, link: string }} given the relay, and what the element presents
 */
export function connectionText({ why, detail }, given) {
  const said = detail ? `: ${detail}` : '';
  /** @type {Record<Link['why'], string>} */
  const texts = {
    '': CONNECTION_LOST,
    lost: CONNECTION_LOST,
    unreachable: `No answer from ${given.host}, retrying`,
    token: credentialText(given),
    refused: `${given.host} refuses this page${said}`,
    'no-socket': `${given.host} answers, but opens no WebSocket: a proxy or the policy of this page (connect-src) blocks it, or a limit on viewers is reached`,
  };
  return texts[why];
}

/** @param {{ token: string, link: string }} given */
function credentialText({ token, link }) {
  if (link) return 'This link is not valid any more';
  return token ? 'The access token is not accepted' : 'Showing this camera needs an access token or a link in the address';
}
