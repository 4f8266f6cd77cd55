// The keys and gestures, on `?`.

import { CHOICES } from './codec-choice.js';
import { element, iconButton } from './dom.js';

/** @type {readonly [string[], string][]} */
const KEYS = [
  [['←', '↑', '→', '↓'], 'go from tile to tile; enlarged: the next or previous one'],
  [['Enter'], 'enlarge a tile, as a click or a tap does'],
  [['Esc'], 'back to the wall'],
  [['s'], 'all tiles in step: at the same instant'],
  [['Space'], 'freeze all tiles; again: live'],
  [['←', '→'], 'while paused: a frame back, a frame on; with Shift a second'],
  [['p'], 'save the picture in full size; while paused, as it is shown'],
  [['v'], 'save a clip: the last 30 seconds; dragged back: from 5 seconds before that moment'],
  [['i'], 'details, and the journey of the picture'],
  [['c'], 'H.264 or JPEG'],
  [['l'], 'make a tile large, or small again'],
  [['r'], 'rotate'],
  [['Shift', '← →'], 'move a tile; or drag it (on a touch screen after a long press)'],
  [['f'], 'full screen'],
  [['?'], 'this help'],
];

/** @param {{ resetLayout: () => void, codec: import('../shared/messages.js').CodecChoice, choose: (codec: import('../shared/messages.js').CodecChoice) => void }} actions */
export function showHelp({ resetLayout, codec, choose }) {
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
    codecField(codec, choose),
    element('p', 'quiet', 'The line at the lower edge of a tile drags the wall back, up to 30 seconds.'),
    element('p', 'quiet', 'Enlarged, the wheel or two fingers zoom, a drag pans, a swipe turns to the next.'),
    element('p', 'quiet', 'For a screen on a wall add ', element('code', '', '?kiosk=1'), ' to the address.'),
    reset,
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
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
  return element('fieldset', 'codecs', element('legend', '', 'Pictures come as'), ...options);
}
