// The keys and gestures, on `?`.

import { element, iconButton } from './element.js';

/** @type {readonly [string[], string][]} */
const KEYS = [
  [['←', '↑', '→', '↓'], 'go from tile to tile; enlarged: the next or previous one'],
  [['Enter'], 'enlarge a tile, as a click or a tap does'],
  [['Esc'], 'back to the wall'],
  [['s'], 'all tiles in step: at the same instant'],
  [['Space'], 'freeze all tiles; again: live'],
  [['←', '→'], 'while frozen: a frame back, a frame on'],
  [['i'], 'details, and the journey of the picture'],
  [['l'], 'make a tile large, or small again'],
  [['r'], 'rotate'],
  [['Shift', '← →'], 'move a tile; or drag it (on a touch screen after a long press)'],
  [['f'], 'full screen'],
  [['?'], 'this help'],
];

/** @param {{ resetLayout: () => void }} actions */
export function showHelp({ resetLayout }) {
  const rows = KEYS.flatMap(([keys, text]) => [
    element('dt', '', ...keys.map((key) => element('kbd', '', key))),
    element('dd', '', text),
  ]);
  const dialog = element('dialog', 'help');
  const reset = element('button', 'primary', 'Reset order, sizes and rotations');
  reset.type = 'button';
  reset.addEventListener('click', () => {
    resetLayout();
    dialog.close();
  });
  dialog.append(
    element('header', '', element('h1', '', 'Keys and gestures'), iconButton('close', 'Close', () => dialog.close())),
    element('dl', '', ...rows),
    element('p', 'quiet', 'Enlarged, the wheel or two fingers zoom, a drag pans, a swipe turns to the next.'),
    element('p', 'quiet', 'For a screen on a wall add ', element('code', '', '?kiosk=1'), ' to the address.'),
    reset,
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
