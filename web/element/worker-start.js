// Starts the worker on a page of any origin.

/**
 * Starts the worker with this module. A browser starts workers of the page's own origin only: on a page of another origin, a
 * script in memory imports the relay's module. The page's content security policy must allow both (`worker-src blob:`,
 * `script-src RELAY`).
 * @param {URL} address of the module @returns {Worker}
 */
export function startWorker(address) {
  const name = 'fanlight';
  if (address.origin === location.origin) return new Worker(address, { type: 'module', name });
  const inMemory = URL.createObjectURL(new Blob([importing(address)], { type: 'text/javascript' }));
  // No module itself, because Chromium starts no module from memory on a page that is a file.
  const worker = new Worker(inMemory, { name });
  const release = () => URL.revokeObjectURL(inMemory);
  worker.addEventListener('message', release, { once: true });
  worker.addEventListener('error', release, { once: true });
  return worker;
}

/** Returns a script that imports a module, and keeps messages until the module takes them. @param {URL} address */
function importing(address) {
  return `
const early = [];
self.onmessage = (message) => early.push(message);
import(${JSON.stringify(address.href)}).then(
  () => early.forEach((message) => self.onmessage(message)),
  // Thrown outside of the promise, it reaches the page.
  (error) => setTimeout(() => { throw error; }),
);`;
}
