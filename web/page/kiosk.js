// `?kiosk=1`: a screen on a wall. What is hidden is said in the style sheets; here the screen is kept awake, where the
// browser lets it.

export function keepAwake() {
  lock();
  // A wake lock is given up with the tab's sight, and has to be asked for again.
  document.addEventListener('visibilitychange', () => document.hidden || lock());
}

function lock() {
  // Not there without a secure context; refused on an empty battery. The wall shows either way.
  navigator.wakeLock?.request('screen').catch(() => {});
}
