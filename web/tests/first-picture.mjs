// Measures the first picture: opens the page of a stream many times in fresh contexts, with nothing in the cache, and
// prints how long it took from the start of the navigation until the first frame was painted.
//
//   npm run measure:first-picture [-- TIMES [FOLDER…]]
//
// Twice: of a live stream, which somebody else watches already, and of a resting one, which this page wakes. With folders
// it compares the pages that stand there, a relay each, in turns.

import { newPage } from './page.js';
import { firstPicture, onSite } from './real/harness.js';

const [count, ...folders] = process.argv.slice(2);
const times = Number(count ?? 30);
const WARM_UP = 3;

/** A page to be measured. @typedef {{ name: string, address: string }} Candidate */

await onSite(async (site) => {
  site.capture({ door: 'test:1280x720@30' });
  /** @type {Candidate[]} */
  const candidates = [];
  for (const folder of folders.length > 0 ? folders : ['']) {
    const relay = await site.relay(...(folder ? ['--web', folder] : []));
    await relay.says(/a stream is here/);
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
    /** @type {Map<Candidate, number[]>} */
    const found = new Map(candidates.map((candidate) => [candidate, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [{ address }, all] of found) all.push(await openOnce(address));
    }
    for (const [{ name }, all] of found) tell(`${name} ${what}`.trim(), all);
  }

  /** A page of its own has a context of its own, so that nothing is in its cache. @param {string} address */
  async function openOnce(address) {
    const page = await newPage(site.browser, site.failures);
    await page.goto(address);
    const time = await firstPicture(page);
    await page.context().close();
    return time;
  }
})();

/** @param {string} what @param {number[]} found in milliseconds */
function tell(what, found) {
  found.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => Math.round(found[Math.ceil(part * found.length) - 1] ?? NaN);
  console.log(`${what}: first picture p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms (${found.length} times)`);
}
