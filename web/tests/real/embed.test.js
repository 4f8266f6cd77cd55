// Cameras on pages of other origins: a real relay with its access rules, and its built-in files.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ForeignSite, pageWith, untilElementMoves } from '../foreign-site.js';
import { newPage } from '../page.js';
import { withSite } from './harness.js';

/** @typedef {import('./harness.js').Site} Site */

const TOKEN = 'VIEWING-TOKEN';
const EXAMPLE = new URL('../../../docs/examples/embed.html', import.meta.url);

/** Runs a test with a site and a web server of another origin. @param {(site: Site, foreign: ForeignSite) => Promise<void>} act */
function withForeignSite(act) {
  return withSite(async (site) => {
    const foreign = await new ForeignSite().start();
    try {
      await act(site, foreign);
    } finally {
      await foreign.stop();
    }
  });
}

/** @param {Site} site @param {string} address */
async function openAt(site, address) {
  const page = await newPage(site.browser, site.failures);
  page.on('websocket', () => (site.sockets += 1));
  await page.goto(address);
  return page;
}

/** Returns the viewers of all streams. @param {Site} site */
async function viewers(site) {
  const answer = await fetch(`${site.address}api/streams`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const { streams } = await answer.json();
  return streams.reduce((/** @type {number} */ sum, /** @type {{ viewers: number }} */ { viewers }) => sum + viewers, 0);
}

/** Asks until the relay has this number of viewers. @param {Site} site @param {number} count */
async function untilViewers(site, count) {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const now = await viewers(site);
    if (now === count) return;
    assert.ok(performance.now() < deadline, `the relay has ${now} viewers, not ${count}`);
  }
}

test('twelve elements of another origin share one socket; removed ones unsubscribe, and pictures return after a restart', withForeignSite(async (site, foreign) => {
  const names = Array.from({ length: 12 }, (_, index) => `cam${index}`);
  site.capture(Object.fromEntries(names.map((name) => [name, 'test:160x90@10'])));
  const relay = await site.relay('--token', TOKEN);
  foreign.html = pageWith(site.address, names.map((name) => `<fanlight-view stream="${name}" token="${TOKEN}" codec="jpeg" style="width: 24%; float: left"></fanlight-view>`).join(''));
  const page = await openAt(site, foreign.address);
  for (const name of names) await untilElementMoves(page, `[stream="${name}"]`);
  assert.equal(site.sockets, 1);
  assert.equal(await viewers(site), 12);

  await relay.stop();
  await page.waitForSelector('[stream="cam0"] .box[data-state="stale"]');
  await site.relay('--token', TOKEN, '--listen', site.listening);
  for (const name of names) await untilElementMoves(page, `[stream="${name}"]`);

  await page.evaluate(() => document.querySelectorAll('fanlight-view:not([stream="cam3"])').forEach((view) => view.remove()));
  await untilViewers(site, 1);
  await page.evaluate(() => document.querySelector('fanlight-view')?.remove());
  await untilViewers(site, 0);
}));

test('the example in the documents works from a web server and as a file', withForeignSite(async (site, foreign) => {
  site.capture({ test: 'test:320x180@15' });
  await site.relay('--token', TOKEN);
  const example = (await readFile(EXAMPLE, 'utf8')).replaceAll('http://127.0.0.1:7474/', site.address);
  foreign.html = example;
  const file = join(site.folder, 'embed.html');
  await writeFile(file, example);
  for (const address of [foreign.address, pathToFileURL(file).href]) {
    site.sockets = 0;
    const page = await openAt(site, address);
    await untilElementMoves(page, 'fanlight-view[controls]');
    await untilElementMoves(page, 'fanlight-view[fit="cover"]');
    await page.waitForFunction(() => document.getElementById('state')?.textContent === 'live');
    assert.equal(site.sockets, 1, address);
    await page.close();
  }
}));

test('without a token, a page of another origin is refused and says why; with a link it shows one camera', withForeignSite(async (site, foreign) => {
  site.capture({ door: 'test:320x180@15', hall: 'test:320x180@15' });
  await site.relay('--token', TOKEN, '--allow-embed', foreign.origin);
  const made = await fetch(`${site.address}api/links?stream=door&for=60`, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } });
  const { link } = await made.json();
  // A session of the relay's own page does not count on pages of others.
  const context = await site.browser.newContext();
  const own = await context.newPage();
  await own.goto(site.address);
  await own.evaluate((token) => fetch('api/session?keep=true', { method: 'POST', headers: { authorization: `Bearer ${token}` } }), TOKEN);
  foreign.html = pageWith(site.address, `<fanlight-view id="none" stream="door"></fanlight-view>
    <fanlight-view id="link" stream="door" link="${link}"></fanlight-view>
    <fanlight-view id="other" stream="hall" link="${link}"></fanlight-view>
    <fanlight-view id="forged" stream="door" link="${link.slice(0, -2)}AA"></fanlight-view>`);
  const page = await context.newPage();
  await page.setViewportSize({ width: 400, height: 1200 });
  await page.goto(foreign.address);
  await page.waitForSelector('#none .box[data-state="refused"] .placeholder-text:has-text("requests from pages of other origins need a token")');
  await page.waitForSelector('#forged .box[data-state="refused"] .placeholder-text:has-text("This link is not valid any more")');
  await untilElementMoves(page, '#link');
  await page.waitForSelector('#other .box[data-state="offline"]');
  // The player on the relay's own origin may use the session, unless it is in a frame of another site.
  await own.goto(`${site.address}embed/hall`);
  await untilElementMoves(own, 'fanlight-view');
  foreign.html = `<iframe src="${site.address}embed/hall" width="480" height="270"></iframe>`;
  await page.goto(foreign.address);
  await page.frameLocator('iframe').locator('.placeholder-text:has-text("needs an access token or a link")').waitFor();
  await context.close();
}));

for (const [origin, allowed] of /** @type {const} */ ([['', false], ['OWN', true], ['https://dash.example', false], ['*', true]])) {
  test(`a page of another origin may ${allowed ? '' : 'not '}frame the player with --allow-embed ${origin || '(absent)'}`, withForeignSite(async (site, foreign) => {
    site.capture({ door: 'test:320x180@15' });
    const named = origin === 'OWN' ? foreign.origin : origin;
    await site.relay('--token', TOKEN, ...(named ? ['--allow-embed', named] : []));
    foreign.html = `<iframe id="player" src="${site.address}embed/door?token=${TOKEN}" width="480" height="270"></iframe>
      <iframe id="none" src="${site.address}embed/door" width="480" height="270"></iframe>
      <iframe id="wall" src="${site.address}?token=${TOKEN}" width="480" height="270"></iframe>`;
    // The refusals are what this test expects.
    const page = await site.browser.newPage();
    /** @type {string[]} */
    const refused = [];
    page.on('console', (message) => /frame-ancestors/.test(message.text()) && refused.push(message.text()));
    await page.goto(foreign.address, { waitUntil: 'load' });
    const frame = async (/** @type {string} */ id) => (await page.$(`#${id}`))?.contentFrame();
    if (allowed) {
      const [player, none] = [await frame('player'), await frame('none')];
      assert.ok(player && none);
      await untilElementMoves(player, 'fanlight-view');
      await none.waitForSelector('.placeholder-text:has-text("needs an access token or a link in the address")');
    }
    const expected = allowed ? 1 : 3;
    while (refused.length < expected) await page.waitForEvent('console');
    assert.equal(refused.length, expected, 'the wall is never framed by others');
  }));
}

test('Share offers the HTML of a frame and of an element, which work on another page', withForeignSite(async (site, foreign) => {
  site.capture({ door: 'test:320x180@15' });
  await site.relay('--token', TOKEN, '--allow-embed', foreign.origin);
  const viewer = await site.browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await viewer.newPage();
  await page.goto(`${site.address}?token=${TOKEN}`);
  await page.waitForSelector('.tile[data-state="live"]');
  await page.hover('.tile');
  await page.click('.tile .share');
  const html = [];
  for (const what of ['frame', 'element']) {
    await page.click(`.share.help button:has-text("Copy ${what}")`);
    await page.waitForSelector(`text=${what === 'frame' ? 'Frame' : 'Element'} copied`);
    html.push(await page.evaluate(() => navigator.clipboard.readText()));
  }
  await viewer.close();
  foreign.html = html.join('\n');
  const other = await openAt(site, foreign.address);
  await untilElementMoves(other, 'fanlight-view');
  const player = await (await other.$('iframe'))?.contentFrame();
  assert.ok(player);
  await untilElementMoves(player, 'fanlight-view');
}));
