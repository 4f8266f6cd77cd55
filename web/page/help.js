// The help dialog: keys, gestures and the format, on `?`.

import { CHOICES } from './codec-choice.js';
import { element, iconButton } from './dom.js';

/** @type {readonly [string[], string][]} */
const KEYS = [
  [['←', '↑', '→', '↓'], 'Move between tiles; enlarged: previous/next camera'],
  [['Enter'], 'Enlarge a tile; or click or tap it. A double click or double tap shows it in full screen'],
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

/** @param {{ resetLayout: () => void, codec: import('../shared/messages.js').CodecChoice, choose: (codec: import('../shared/messages.js').CodecChoice) => void }} actions */
export function showHelp({ resetLayout, codec, choose }) {
  const rows = KEYS.flatMap(([keys, text]) => [
    element('dt', '', ...keys.map((key) => element('kbd', '', key))),
    element('dd', '', text),
  ]);
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
    element('p', 'quiet', 'Keys act on the tile under the pointer, or on the one with the focus.'),
    element('dl', '', ...rows),
    codecField(codec, choose),
    element('p', 'quiet', 'Drag the line under a picture to go back, up to 30 seconds.'),
    element('p', 'quiet', 'Enlarged: zoom with the wheel or two fingers, drag to pan, swipe for the next camera.'),
    element('p', 'quiet', 'For a wall display, add ', element('code', '', '?kiosk=1'), ' to the address.'),
    reset,
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {import('../shared/messages.js').CodecChoice} chosen @param {(codec: import('../shared/messages.js').CodecChoice) => void} choose */
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
