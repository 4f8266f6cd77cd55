// The dialog that makes a link to one camera for other people, and HTML with it for other pages. Loaded on demand.

import { copyText } from './clipboard.js';
import { element, iconButton } from './dom.js';
import { embedCode } from './embed-code.js';
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
  /** Makes a link, and copies something with it. @param {string} what @param {(made: import('./session.js').MadeLink) => string} textOf */
  const copy = async (what, textOf) => {
    const made = await makeLink(stream, seconds);
    if (!made) result.textContent = 'The relay made no link: only an access token allows it.';
    else if (await copyText(textOf(made))) result.textContent = `${what} copied`;
    else result.replaceChildren('Copying blocked: ', element('code', '', textOf(made)));
  };
  const html = (/** @type {import('./session.js').MadeLink} */ { link }) => embedCode(document.baseURI, stream, link);
  dialog.append(
    element('header', '', element('h1', '', `Share ${stream}`), iconButton('close', 'Close', () => dialog.close())),
    element('p', 'quiet', 'Everyone with the link can watch this camera, and no other, for this time:'),
    element('fieldset', 'codecs', element('legend', '', 'Valid for'), ...choices),
    copyButton('primary', 'Copy link', () => copy('Link', ({ address }) => address)),
    element('h2', '', 'For a page of your own, as HTML:'),
    element(
      'div',
      'embed-codes',
      copyButton('copy', 'Copy frame', () => copy('Frame', (made) => html(made).frame)),
      copyButton('copy', 'Copy element', () => copy('Element', (made) => html(made).element)),
    ),
    element('p', 'quiet', 'A frame shows only on pages that the relay allows with --allow-embed. For a page that stays, write a token in place of the link.'),
    result,
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {string} className @param {string} text @param {() => Promise<void>} act */
function copyButton(className, text, act) {
  const button = element('button', className, text);
  button.type = 'button';
  button.addEventListener('click', () => void act());
  return button;
}
