// The panel in place of the wall: set-up, access token, or connection problems.

import { element } from './dom.js';
import { setupPanel } from './setup.js';

/** @typedef {import('../shared/messages.js').Link} Link */
/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */
/** @typedef {import('../shared/protocol.js').Setup} Setup */

/**
 * @typedef {object} PanelState
 * @property {Link} link
 * @property {ListenEntry[] | null} listening `null` until the relay reports its endpoints
 * @property {Setup | null} setup hints for an empty wall
 * @property {boolean} empty the wall has no tiles
 * @property {number} ahead relay's clock minus ours, in milliseconds
 */

/**
 * The viewer's access.
 * @typedef {object} Access
 * @property {(token: string, keep: boolean) => Promise<void>} signIn
 * @property {() => boolean} hasToken
 * @property {() => boolean} hasLink
 */

export class Panel {
  #shown = '';

  /** @param {HTMLElement} container @param {Access} access */
  constructor(container, access) {
    this.container = container;
    this.access = access;
  }

  /** @param {PanelState} state @returns {boolean} true if the panel replaces the wall */
  render(state) {
    // While connecting nothing is known yet: the panel keeps its content and whatever was typed into it.
    if (state.link.phase !== 'connecting') this.#show(...this.#choose(state));
    return this.#shown !== '';
  }

  /** @param {string} key @param {() => HTMLElement} make */
  #show(key, make) {
    // Re-creating a form would lose the focus and the text typed into it.
    if (key === this.#shown) return;
    this.#shown = key;
    this.container.replaceChildren(...(key ? [make()] : []));
    this.container.hidden = key === '';
  }

  /** @param {PanelState} state @returns {[string, () => HTMLElement]} content, and a key so that it is created once */
  #choose({ link, listening, setup, empty, ahead }) {
    // A relay knows an expired link, and refuses it; any other one is no token.
    const expired = link.why === 'refused' && this.access.hasLink();
    if (link.why === 'token' || expired) return [`token ${this.access.hasToken()} ${this.access.hasLink()}`, () => tokenPanel(this.access)];
    if (empty && link.phase === 'down') return [`down ${link.why} ${link.detail}`, () => linkPanel(link)];
    if (!empty || !listening) return ['', () => element('div')];
    const key = `setup ${Math.round(ahead / 60_000)} ${JSON.stringify([listening, setup])}`;
    return [key, () => setupPanel({ listening, setup, ahead })];
  }
}

/** @param {Link} link */
function linkPanel({ why, detail }) {
  const said = detail ? ` (${detail})` : '';
  const { host } = location;
  /** @type {Record<Link['why'], [string, string]>} */
  const texts = {
    '': ['Not connected', ''],
    lost: ['Connection lost', `The connection to the relay at ${host} was lost${said}.`],
    unreachable: ['The relay does not answer', `No answer from ${host}${said}. Is fanlight-relay running?`],
    token: ['Enter the access token', ''],
    refused: ['Access refused', `${host} refused this page${said}.`],
    'no-socket': [
      'No WebSocket connection',
      `The relay at ${host} answers, but the WebSocket does not open. Either a proxy blocks it, or the viewer limit is reached.`,
    ],
  };
  return message(...texts[why], 'Retrying automatically.');
}

/** @param {string} title @param {...string} lines */
function message(title, ...lines) {
  return element('div', 'message', element('h1', '', title), ...lines.map((line) => element('p', '', line)));
}

/** @param {Access} access */
function tokenPanel({ signIn, hasToken, hasLink }) {
  const field = element('input');
  field.type = 'password';
  field.name = 'token';
  field.required = true;
  field.autocomplete = 'current-password';
  const label = element('label', '', element('span', '', 'Access token'), field);
  const button = element('button', 'primary', 'Open');
  // Password managers store a password with a user name, and browsers ask for one if there is none.
  const name = element('input');
  name.name = 'username';
  name.autocomplete = 'username';
  name.value = 'fanlight';
  name.hidden = true;
  const keep = element('input');
  keep.type = 'checkbox';
  keep.name = 'keep';
  const kept = element('label', 'keep', keep, 'Stay signed in on this device');
  const form = element('form', 'token-form', name, label, button, kept);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void signIn(field.value.trim(), keep.checked);
  });
  const text = hasLink()
    ? 'This link is not valid any more. Ask for a new one, or enter an access token.'
    : hasToken()
      ? 'That token was not accepted. Enter another one.'
      : 'Scan the QR code of this relay again, or ask its owner for a token.';
  const panel = message('Enter the access token', text);
  panel.append(form);
  queueMicrotask(() => field.focus());
  return panel;
}
