// Offers to stay signed in, once a page was opened with a token in its address: from a QR code, for example. Otherwise the next tab
// would ask for the token, and such a token is too long to type.

import { tokenIsFromAddress } from '../boot.js';
import { element } from './dom.js';
import { canStaySignedIn, staySignedIn } from './session.js';

/** Makes the offer if there is a reason. Called once. */
export function offerToStay() {
  if (!tokenIsFromAddress || !canStaySignedIn()) return;
  const text = element('span', '', 'Stay signed in on this device?');
  const bar = element('div', 'offer', text, button('primary', 'Stay signed in', accept), button('', 'Not now', () => bar.remove()));
  bar.setAttribute('role', 'region');
  bar.setAttribute('aria-label', 'Signing in');
  document.body.append(bar);

  async function accept() {
    if (await staySignedIn()) bar.remove();
    else text.textContent = 'The relay refused. Signed in for this tab.';
  }
}

/** @param {string} className @param {string} label @param {() => void} act */
function button(className, label, act) {
  const made = element('button', className, label);
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}
