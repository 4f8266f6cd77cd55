// The page at /embed/NAME: one element that fills the window, with the attributes that the address gives.

const ATTRIBUTES = ['codec', 'fit', 'controls', 'age', 'token', 'link'];
/** Values with which a query says that something must not be shown. */
const NO = ['0', 'false', 'no'];

const { pathname, searchParams } = new URL(location.href);
// The relay serves this page for names of streams only.
const stream = pathname.slice(pathname.lastIndexOf('/') + 1);
const view = document.createElement('fanlight-view');
view.setAttribute('stream', stream);
for (const name of ATTRIBUTES) {
  const value = searchParams.get(name);
  if (value !== null && !NO.includes(value)) view.setAttribute(name, value);
}
document.title = `${stream} · Fanlight`;
const title = document.createElement('h1');
title.textContent = stream;
document.querySelector('main')?.append(title, view);

// A player on a screen without a keyboard must follow an upgrade of its relay by itself.
view.addEventListener('fanlight-upgrade', () => {
  void import('../page/upgrade.js').then(({ reloadOnce }) => reloadOnce(Date.now()));
});
