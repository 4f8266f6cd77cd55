// A relay that was upgraded serves another page: this one reloads itself, but not again and again.

const KEY = 'fanlight.reloaded';
/** Two relays of different builds behind one address would else have the page reload for ever. */
const AT_MOST_EVERY = 60_000;

/** @param {number} now milliseconds */
export function reloadOnce(now) {
  try {
    if (now - Number(sessionStorage.getItem(KEY) ?? 0) < AT_MOST_EVERY) return;
    sessionStorage.setItem(KEY, String(now));
  } catch {
    // Without a memory it could not be reported from a loop.
    return;
  }
  location.reload();
}
