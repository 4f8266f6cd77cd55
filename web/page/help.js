// The help dialog: keys, gestures and the format, on `?`.

import { CHOICES, onlyFormat } from './codec-choice.js';
import { element, iconButton } from './dom.js';

/** @typedef {import('../shared/messages.js').CodecChoice} CodecChoice */
/** Keys or a gesture, and what they do. @typedef {readonly [readonly string[], string]} Row */

/** @type {readonly Row[]} */
const KEYS = [
  [['←', '↑', '→', '↓'], 'Move between tiles; enlarged: previous/next camera'],
  [['Enter'], 'Enlarge a tile; or click or tap it'],
  [['Esc'], 'Back to wall; or Back in the browser'],
  [['s'], 'Sync all cameras: every tile shows the same moment'],
  [['Space'], 'Pause all cameras; press again for live'],
  [['←', '→'], 'While paused: previous/next frame; with Shift: one second'],
  [[',', '.'], 'Pause, and show the previous/next frame'],
  [['p'], 'Save the picture in full resolution; while paused: as shown'],
  [['v'], 'Save the last 30 seconds as a clip; rewound: from 5 seconds before the shown moment'],
  [['i'], 'Details and latency; with Shift: of all cameras'],
  [['c'], 'Change the format'],
  [['l'], 'Make a tile larger; press again for normal size'],
  [['r'], 'Rotate a tile'],
  [['Shift', '← →'], 'Move a tile; or drag it (on a touch screen: press and hold first)'],
  [['f'], 'Full screen'],
  [['?'], 'This help'],
];
/** @type {Row} */
const REWIND = [['Drag the line'], 'Under a picture: go back, up to 30 seconds'];
/** @type {readonly Row[]} */
const TOUCH = [
  [['Tap'], 'Enlarge a tile; enlarged: details and latency'],
  [['Double tap'], 'Full screen of a tile'],
  [['Swipe'], 'Enlarged: sideways for the next camera, down for the wall'],
  [['Two fingers'], 'Enlarged: zoom; then drag to pan'],
  [['Hold, drag'], 'Move a tile'],
  REWIND,
];
/** @type {readonly Row[]} */
const MOUSE = [
  [['Click'], 'Enlarge a tile; enlarged: details and latency'],
  [['Double click'], 'Full screen of a tile'],
  [['Wheel'], 'Enlarged: zoom; then drag to pan'],
  [['Drag'], 'Move a tile'],
  REWIND,
];

/**
 * @param {{ resetLayout: () => void, codec: CodecChoice, choose: (codec: CodecChoice) => void, obstacle: string,
 *   signOut: (() => Promise<void>) | null, staySignedIn: (() => Promise<boolean>) | null }} actions `obstacle`: why H.264 is no choice; empty if it is one
 */
export function showHelp({ resetLayout, codec, choose, obstacle, signOut, staySignedIn }) {
  const touch = matchMedia('(pointer: coarse)').matches;
  const keys = section('Keys', 'kbd', KEYS.filter(([[key]]) => key !== 'c' || !obstacle));
  const gestures = touch ? section('Gestures', 'span', TOUCH) : section('Mouse', 'span', MOUSE);
  const dialog = element('dialog', 'help');
  dialog.setAttribute('aria-label', 'Keyboard and gestures');
  const reset = element('button', 'primary', 'Reset layout');
  reset.type = 'button';
  reset.addEventListener('click', () => {
    resetLayout();
    dialog.close();
  });
  dialog.append(
    element('header', '', element('h1', '', 'Keyboard and gestures'), iconButton('close', 'Close', () => dialog.close())),
    ...(touch ? [gestures, keys] : [keys, gestures]),
    element('p', 'quiet', 'Keys act on the tile under the pointer, or on the one with the focus.'),
    obstacle ? element('p', 'codecs', `Format: ${onlyFormat(obstacle)}`) : codecField(codec, choose),
    element('p', 'quiet', 'For a wall display, add ', element('code', '', '?kiosk=1'), ' to the address.'),
    element('p', 'buttons', reset, ...(staySignedIn ? [stayButton(staySignedIn)] : []), ...(signOut ? [signOutButton(signOut)] : [])),
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {() => Promise<boolean>} staySignedIn */
function stayButton(staySignedIn) {
  const button = element('button', 'primary', 'Stay signed in on this device');
  button.type = 'button';
  button.addEventListener('click', async () => {
    button.textContent = (await staySignedIn()) ? 'You stay signed in' : 'The relay refused';
    button.disabled = true;
  });
  return button;
}

/** @param {() => Promise<void>} signOut */
function signOutButton(signOut) {
  const button = element('button', 'primary', 'Sign out');
  button.type = 'button';
  button.addEventListener('click', () => void signOut());
  return button;
}

/** @param {string} title @param {'kbd' | 'span'} tag @param {readonly Row[]} rows */
function section(title, tag, rows) {
  const cells = rows.flatMap(([keys, text]) => [
    element('dt', '', ...keys.map((key) => element(tag, '', key))),
    element('dd', '', text),
  ]);
  return element('section', '', element('h2', '', title), element('dl', '', ...cells));
}

/** @param {CodecChoice} chosen @param {(codec: CodecChoice) => void} choose */
function codecField(chosen, choose) {
  const options = CHOICES.map(([choice, words]) => {
    const field = element('input');
    field.type = 'radio';
    field.name = 'codec';
    field.checked = choice === chosen;
    field.addEventListener('change', () => choose(choice));
    return element('label', '', field, words);
  });
  return element('fieldset', 'codecs', element('legend', '', 'Format'), ...options);
}
