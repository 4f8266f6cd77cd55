// Reloads the page once after the relay was upgraded, because the new relay serves another page.

const KEY = 'fanlight.reloaded';
/** Otherwise two relays with different builds behind one address would make the page reload forever. In milliseconds. */
const AT_MOST_EVERY = 60_000;

/** @param {number} now milliseconds */
export function reloadOnce(now) {
  try {
    if (now - Number(sessionStorage.getItem(KEY) ?? 0) < AT_MOST_EVERY) return;
    sessionStorage.setItem(KEY, String(now));
  } catch {
    // Without storage, repeated reloads could not be detected.
    return;
  }
  location.reload();
}
