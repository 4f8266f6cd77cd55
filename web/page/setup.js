// The set-up on an empty wall: endpoints and their state, webcams found, and commands to run.

import { copyText } from './clipboard.js';
import { element } from './dom.js';
import { icon } from './icons.js';
import { formatMoment } from './moment.js';
import { commandsFor } from './setup-commands.js';

/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */
/** @typedef {import('../shared/protocol.js').Setup} Setup */
/** @typedef {import('./setup-commands.js').Command} Command */

/** @param {{ listening: readonly ListenEntry[], setup: Setup | null, ahead: number }} known `ahead`: milliseconds that the relay's clock is ahead of ours */
export function setupPanel({ listening, setup, ahead }) {
  return element(
    'div',
    'message setup',
    element('h1', '', 'No cameras yet'),
    element('p', '', summary(listening)),
    listenList(listening, ahead),
    element('h2', '', 'Start a capture'),
    element('p', '', "Run one of these commands in a terminal on the relay's machine. The picture appears here by itself."),
    element('ul', 'commands', ...commandsFor(setup, listening).map(commandLine)),
  );
}

/** @param {readonly ListenEntry[]} listening */
function summary(listening) {
  if (listening.length === 0) return 'This relay has no endpoint to receive cameras from.';
  if (listening.some(({ connected }) => connected)) return 'A capture is connected, but it has no streams.';
  if (listening.some(({ heard }) => heard)) return 'The capture disconnected.';
  return 'No capture connected yet.';
}

/** @param {readonly ListenEntry[]} listening @param {number} ahead */
function listenList(listening, ahead) {
  const rows = listening.map((entry) => {
    const since = element('span', 'since', `listening since ${formatMoment(entry.since / 1000 - ahead, Date.now())}`);
    const heard = element('span', 'heard', heardWords(entry));
    const row = element('li', '', element('code', '', entry.endpoint), heard, since);
    row.dataset.heard = entry.connected ? 'now' : entry.heard ? 'before' : 'never';
    return row;
  });
  return element('ul', 'listening', ...rows);
}

/** @param {ListenEntry} entry */
function heardWords({ heard, connected, reason }) {
  const words = connected ? 'connected' : heard ? 'disconnected' : 'nothing received yet';
  return reason ? `${words}: ${reason}` : words;
}

/** @param {Command} command */
function commandLine({ what, hint, text }) {
  const label = element('span', '', 'Copy');
  const button = element('button', 'copy', icon('copy'), label);
  button.type = 'button';
  button.setAttribute('aria-label', `Copy: ${text}`);
  button.addEventListener('click', async () => {
    label.textContent = (await copyText(text)) ? 'Copied' : 'Copying blocked';
    setTimeout(() => (label.textContent = 'Copy'), 2000);
  });
  const said = element('span', 'what', what, ...(hint ? [element('span', 'hint', hint)] : []));
  return element('li', 'command', said, element('code', '', text), button);
}
