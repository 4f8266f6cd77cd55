// Measures the first picture: opens the page of a stream repeatedly, each time in a new context with an empty cache. Prints the
// time from the start of the navigation to the first picture, which may be a preview, and to the first frame of the stream.
//
//   npm run measure:first-picture [-- TIMES [FOLDER…]]
//
// Measures a stream that this page wakes, then one that has a viewer already. With folders, compares the pages in them in turns,
// each served by a relay of its own.

import { newPage } from './page.js';
import { firstLivePicture, firstPicture, withSite } from './real/harness.js';

const [count, ...folders] = process.argv.slice(2);
const times = Number(count ?? 30);
const WARM_UP = 3;

/** In milliseconds. @typedef {{ first: number, live: number }} Times */
/** A page to measure. @typedef {{ name: string, address: string }} Candidate */

await withSite(async (site) => {
  site.capture({ door: 'test:1280x720@30' });
  /** @type {Candidate[]} */
  const candidates = [];
  for (const folder of folders.length > 0 ? folders : ['']) {
    const relay = await site.relay(...(folder ? ['--web', folder] : []));
    await relay.says(/stream available/);
    candidates.push({ name: folder, address: site.address });
  }
  await measure('warming up', WARM_UP);
  await measure('resting stream', times);
  const watching = new AbortController();
  const { body } = await fetch(`${site.address}streams/door/mjpeg`, { signal: watching.signal });
  const watched = body?.pipeTo(new WritableStream()).catch(() => {});
  await measure('live stream', times);
  watching.abort();
  await watched;

  /** @param {string} what @param {number} rounds */
  async function measure(what, rounds) {
    /** @type {Map<Candidate, Times[]>} */
    const found = new Map(candidates.map((candidate) => [candidate, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [{ address }, all] of found) all.push(await openOnce(address));
    }
    for (const [{ name }, all] of found) {
      tell(`${name} ${what}: first picture`.trim(), all.map(({ first }) => first));
      tell(`${name} ${what}: first live picture`.trim(), all.map(({ live }) => live));
    }
  }

  /** Opens a page in a context of its own, so that its cache is empty. @param {string} address */
  async function openOnce(address) {
    const page = await newPage(site.browser, site.failures);
    await page.goto(address);
    const first = await firstPicture(page);
    const live = await firstLivePicture(page);
    await page.context().close();
    return { first, live };
  }
})();

/** @param {string} what @param {number[]} found in milliseconds */
function tell(what, found) {
  found.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => Math.round(found[Math.ceil(part * found.length) - 1] ?? NaN);
  console.log(`${what} p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms (${found.length} times)`);
}
