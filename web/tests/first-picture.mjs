// Measures the first picture: opens the page of a stream many times in fresh contexts, with nothing in the cache, and
// prints how long it took from the start of the navigation until the first frame was painted.
//
//   npm run measure:first-picture [-- TIMES]
//
// Twice: of a live stream, which somebody else watches already, and of a resting one, which this page wakes.

import { newPage } from './page.js';
import { firstPicture, onSite, Site } from './real/harness.js';

const times = Number(process.argv[2] ?? 30);

await onSite(async (site) => {
  site.capture({ door: 'test:1280x720@30' });
  const relay = await site.relay();
  await relay.says(/a stream is here/);
  await measure(site, 'warming up', 3);
  await measure(site, 'resting stream', times);
  const watching = new AbortController();
  const { body } = await fetch(`${site.address}streams/door/mjpeg`, { signal: watching.signal });
  const watched = body?.pipeTo(new WritableStream()).catch(() => {});
  await measure(site, 'live stream', times);
  watching.abort();
  await watched;
})();

/** @param {Site} site @param {string} what @param {number} times */
async function measure(site, what, times) {
  /** @type {number[]} */
  const found = [];
  for (let round = 0; round < times; round += 1) {
    // A page of its own has a context of its own, so that nothing is in its cache.
    const page = await newPage(site.browser, site.failures);
    await page.goto(site.address);
    found.push(await firstPicture(page));
    await page.context().close();
  }
  found.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => Math.round(found[Math.ceil(part * found.length) - 1] ?? NaN);
  console.log(`${what}: first picture p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms (${found.length} times)`);
}
