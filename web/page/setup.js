// The set-up on an empty wall: endpoints and their state, and commands to run.

import { copyText } from './clipboard.js';
import { element } from './dom.js';
import { icon } from './icons.js';

/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */

/** @type {readonly [string, string][]} */
const COMMANDS = [
  ['A webcam', 'fanlight-capture --stream cam=/dev/video0'],
  ['A test picture, to check it works', 'fanlight-capture --stream test=test'],
  ['Build and run everything, from a clone of the repository', 'scripts/run'],
];

/** @param {readonly ListenEntry[]} listening @param {number} ahead milliseconds that the relay's clock is ahead of ours */
export function setupPanel(listening, ahead) {
  return element(
    'div',
    'message setup',
    element('h1', '', 'No cameras yet'),
    element('p', '', summary(listening)),
    listenList(listening, ahead),
    element('h2', '', 'Start a capture'),
    element('div', 'commands', ...COMMANDS.map(([what, command]) => commandLine(what, command))),
    element('p', 'quiet', 'The first picture appears here automatically.'),
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
    const since = element('span', 'since', `listening since ${formatMoment(entry.since / 1000 - ahead)}`);
    const heard = element('span', 'heard', heardWords(entry));
    const row = element('li', '', element('code', '', entry.endpoint), heard, since);
    row.dataset.heard = entry.connected ? 'now' : entry.heard ? 'before' : 'never';
    return row;
  });
  return element('ul', 'listening', ...rows);
}

/** Formats a moment in the reader's locale, with the day unless it is today. @param {number} moment milliseconds */
function formatMoment(moment) {
  const date = new Date(moment);
  const today = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = today ? {} : { day: 'numeric', month: 'short' };
  return date.toLocaleString([], { ...day, hour: '2-digit', minute: '2-digit' });
}

/** @param {ListenEntry} entry */
function heardWords({ heard, connected, reason }) {
  const words = connected ? 'connected' : heard ? 'disconnected' : 'nothing received yet';
  return reason ? `${words}: ${reason}` : words;
}

/** @param {string} what @param {string} command */
function commandLine(what, command) {
  const label = element('span', '', 'Copy');
  const button = element('button', 'copy', icon('copy'), label);
  button.type = 'button';
  button.setAttribute('aria-label', `Copy: ${command}`);
  button.addEventListener('click', async () => {
    label.textContent = (await copyText(command)) ? 'Copied' : 'Copying blocked';
    setTimeout(() => (label.textContent = 'Copy'), 2000);
  });
  return element('div', 'command', element('span', 'what', what), element('code', '', command), button);
}
