// The dialog that makes a link to one camera for other people. Loaded on demand.

import { copyText } from './clipboard.js';
import { element, iconButton } from './dom.js';
import { makeLink } from './session.js';

/** Validities of a link: words, and seconds. @type {readonly (readonly [string, number])[]} */
const VALIDITIES = [['1 hour', 3600], ['1 day', 86_400], ['7 days', 604_800]];

/** @param {string} stream */
export function showShare(stream) {
  const dialog = element('dialog', 'help share');
  dialog.setAttribute('aria-label', `Share ${stream}`);
  let seconds = 86_400;
  const choices = VALIDITIES.map(([words, value]) => {
    const field = element('input');
    field.type = 'radio';
    field.name = 'validity';
    field.checked = value === seconds;
    field.addEventListener('change', () => (seconds = value));
    return element('label', '', field, words);
  });
  const result = element('p', 'quiet');
  result.setAttribute('role', 'status');
  const copy = element('button', 'primary', 'Copy link');
  copy.type = 'button';
  copy.addEventListener('click', async () => {
    const link = await makeLink(stream, seconds);
    if (!link) result.textContent = 'The relay made no link: only an access token allows it.';
    else if (await copyText(link)) result.textContent = 'Link copied';
    else result.replaceChildren('Copying blocked: ', element('code', '', link));
  });
  dialog.append(
    element('header', '', element('h1', '', `Share ${stream}`), iconButton('close', 'Close', () => dialog.close())),
    element('p', 'quiet', 'Everyone with the link can watch this camera, and no other, for this time:'),
    element('fieldset', 'codecs', element('legend', '', 'Valid for'), ...choices),
    copy,
    result,
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
