// `?kiosk=1`, for a wall display: keeps the screen on if the browser allows it. The style sheets hide the controls.

export function keepAwake() {
  lock();
  // A wake lock ends when the tab is hidden, and must be requested again.
  document.addEventListener('visibilitychange', () => document.hidden || lock());
}

function lock() {
  // Wake locks need a secure context, and browsers refuse them on a low battery. The wall works without.
  navigator.wakeLock?.request('screen').catch(() => {});
}
