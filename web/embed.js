// The file that a relay serves at /embed.js: defines the element <fanlight-view>, also for pages of other origins. It adds no global
// name to the page. All elements with the same relay and the same credentials share one worker and one WebSocket.

import { Relays } from './element/relays.js';
import { FanlightView } from './element/view.js';

const home = new URL('./', import.meta.url);
const relays = new Relays({ home, worker: new URL('worker/main.js', import.meta.url) });

// A page may load this file from several relays. The first one serves all elements.
if (!customElements.get('fanlight-view')) {
  customElements.define(
    'fanlight-view',
    class extends FanlightView {
      constructor() {
        super(relays);
      }
    },
  );
}
