// The empty wall is the set-up: what was listened to, what was heard there, and what to run.

import { copyText } from './clipboard.js';
import { element } from './dom.js';
import { icon } from './icons.js';

/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */

/** @type {readonly [string, string][]} */
const COMMANDS = [
  ['A webcam', 'fanlight-capture --stream cam=/dev/video0'],
  ['A test picture, to see that all is well', 'fanlight-capture --stream test=test'],
  ['Everything at once, from a clone', 'scripts/run'],
];

/** @param {readonly ListenEntry[]} listening @param {number} ahead milliseconds that the relay's clock is ahead of ours */
export function setupPanel(listening, ahead) {
  return element(
    'div',
    'message setup',
    element('h1', '', 'No streams yet'),
    element('p', '', summary(listening)),
    listenList(listening, ahead),
    element('h2', '', 'Start one'),
    element('div', 'commands', ...COMMANDS.map(([what, command]) => commandLine(what, command))),
    element('p', 'quiet', 'The first picture shows here by itself; there is nothing to reload.'),
  );
}

/** @param {readonly ListenEntry[]} listening */
function summary(listening) {
  if (listening.length === 0) return 'This relay listens to nothing: it was started without an endpoint.';
  if (listening.some(({ connected }) => connected)) return 'A publisher is connected, but has announced no stream.';
  if (listening.some(({ heard }) => heard)) return 'A publisher was here before, and is gone.';
  return 'The relay is listening, and has heard no publisher yet.';
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

/** In the reader's own words; with the day, unless it is today. @param {number} moment milliseconds */
function formatMoment(moment) {
  const date = new Date(moment);
  const today = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const day = today ? {} : { day: 'numeric', month: 'short' };
  return date.toLocaleString([], { ...day, hour: '2-digit', minute: '2-digit' });
}

/** @param {ListenEntry} entry */
function heardWords({ heard, connected, reason }) {
  const words = connected ? 'connected' : heard ? 'heard before, silent now' : 'never heard';
  return reason ? `${words}: ${reason}` : words;
}

/** @param {string} what @param {string} command */
function commandLine(what, command) {
  const label = element('span', '', 'Copy');
  const button = element('button', 'copy', icon('copy'), label);
  button.type = 'button';
  button.setAttribute('aria-label', `Copy: ${command}`);
  button.addEventListener('click', async () => {
    label.textContent = (await copyText(command)) ? 'Copied' : 'Select it';
    setTimeout(() => (label.textContent = 'Copy'), 2000);
  });
  return element('div', 'command', element('span', 'what', what), element('code', '', command), button);
}
