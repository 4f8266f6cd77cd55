// What stands in the middle of the page while there is no wall: the set-up, the token, or why nothing comes.

import { element } from './dom.js';
import { setupPanel } from './setup.js';

/** @typedef {import('../shared/messages.js').Link} Link */
/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */

/**
 * @typedef {object} PanelState
 * @property {Link} link
 * @property {ListenEntry[] | null} listening `null` before the relay said what it listens to
 * @property {boolean} empty the wall has no tiles
 * @property {number} ahead milliseconds that the relay's clock is ahead of ours
 */

export class Panel {
  #shown = '';

  /** @param {HTMLElement} container @param {{ useToken: (token: string) => void, hasToken: () => boolean }} access */
  constructor(container, access) {
    this.container = container;
    this.access = access;
  }

  /** @param {PanelState} state @returns {boolean} whether the panel stands in container of the wall */
  render(state) {
    // An attempt tells nothing yet: what stood there goes on standing there, with whatever was typed into it.
    if (state.link.phase !== 'connecting') this.#show(...this.#choose(state));
    return this.#shown !== '';
  }

  /** @param {string} key @param {() => HTMLElement} make */
  #show(key, make) {
    // A form that somebody types into, and a button that has the focus, must not be made anew under their hands.
    if (key === this.#shown) return;
    this.#shown = key;
    this.container.replaceChildren(...(key ? [make()] : []));
    this.container.hidden = key === '';
  }

  /** @param {PanelState} state @returns {[string, () => HTMLElement]} what to show, named so that it is made once */
  #choose({ link, listening, empty, ahead }) {
    if (link.why === 'token') return [`token ${this.access.hasToken()}`, () => tokenPanel(this.access)];
    if (empty && link.phase === 'down') return [`down ${link.why} ${link.detail}`, () => linkPanel(link)];
    if (!empty || !listening) return ['', () => element('div')];
    return [`setup ${Math.round(ahead / 60_000)} ${JSON.stringify(listening)}`, () => setupPanel(listening, ahead)];
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

/** @param {{ useToken: (token: string) => void, hasToken: () => boolean }} access */
function tokenPanel({ useToken, hasToken }) {
  const field = element('input');
  field.type = 'password';
  field.name = 'token';
  field.required = true;
  field.autocomplete = 'current-password';
  const label = element('label', '', element('span', '', 'Access token'), field);
  const button = element('button', 'primary', 'Open');
  // Password managers file a password under a name, and browsers ask for one where there is none.
  const name = element('input');
  name.name = 'username';
  name.autocomplete = 'username';
  name.value = 'fanlight';
  name.hidden = true;
  const form = element('form', 'token-form', name, label, button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    useToken(field.value.trim());
  });
  const text = hasToken()
    ? 'That token was not accepted. Enter another one.'
    : 'Viewing requires the token that the relay was started with.';
  const panel = message('Enter the access token', text);
  panel.append(form);
  queueMicrotask(() => field.focus());
  return panel;
}
