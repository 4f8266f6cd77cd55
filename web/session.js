// What this tab remembers for as long as it is open, and the wall for longer. Either may be forbidden by the browser.

/** @returns {Storage | null} */
export function tabStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** @returns {Storage | null} */
export function machineStorage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
