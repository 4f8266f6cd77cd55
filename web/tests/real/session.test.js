// Signing in, staying signed in, sharing one camera, and signing out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilMoves } from '../page.js';
import { withSite } from './harness.js';

const TOKEN = 'open-sesame-42';

test('a viewer stays signed in on this device, shares one camera, and signs out', withSite(async (site) => {
  site.capture({ door: 'test:320x180@15', garden: 'test:320x180@15' });
  await site.relay('--token', TOKEN);
  const viewer = await site.browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await viewer.newPage();
  await page.goto(site.address);
  await page.fill('.token-form [name="token"]', TOKEN);
  await page.check('.token-form [name="keep"]');
  await page.keyboard.press('Enter');
  await untilMoves(page, 'door');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('fanlight.token') || ''), '');

  // Another tab of the same browser needs no token, and scripts cannot read the cookie.
  const tab = await viewer.newPage();
  await tab.goto(site.address);
  await untilMoves(tab, 'door');
  assert.equal(await tab.evaluate(() => document.cookie), '');

  await page.hover('.tile[data-stream="door"]');
  await page.click('.tile[data-stream="door"] .share');
  await page.click('.share.help label:has-text("1 hour")');
  await page.click('.share.help .primary');
  await page.waitForSelector('text=Link copied');
  const link = await page.evaluate(() => navigator.clipboard.readText());
  await page.click('.share.help [aria-label="Close"]');

  // Another browser opens the link.
  const other = await site.open(link.slice(site.address.length));
  await untilMoves(other, 'door');
  assert.equal(await other.locator('.tile').count(), 1);
  assert.equal(await other.locator('.share').isVisible(), false);
  await other.goto(link.replace(/..$/, 'AA'));
  await other.waitForSelector('text=This link is not valid any more');
  const short = await (await fetch(`${site.address}api/links?stream=door&for=10`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
  })).json();
  await other.goto(new URL(short.address, site.address).href);
  await untilMoves(other, 'door');
  // It ends while it is watched.
  await other.waitForSelector('.token-form');
  assert.equal(await other.textContent('#summary'), '');

  await page.click('#help');
  await page.click('text=Sign out');
  await page.waitForSelector('.token-form');
  await tab.reload();
  await tab.waitForSelector('.token-form');
}));

test('a viewer whose address has a token is offered to stay signed in, and another tab then needs none', withSite(async (site) => {
  site.capture({ door: 'test:320x180@15' });
  await site.relay('--token', TOKEN);
  const viewer = await site.browser.newContext();
  const page = await viewer.newPage();
  await page.goto(`${site.address}?token=${TOKEN}`);
  await untilMoves(page, 'door');
  await page.click('.offer .primary');
  await page.waitForSelector('.offer', { state: 'detached' });
  const tab = await viewer.newPage();
  await tab.goto(site.address);
  await untilMoves(tab, 'door');
  assert.equal(await tab.locator('.offer').count(), 0);

  const other = await viewer.browser()?.newContext();
  const stranger = await other?.newPage();
  await stranger?.goto(`${site.address}?token=${TOKEN}`);
  await stranger?.click('.offer >> text=Not now');
  await stranger?.reload();
  assert.ok(stranger);
  await untilMoves(stranger, 'door');
  assert.equal(await stranger.locator('.offer').count(), 0);
  await stranger.click('#help');
  await stranger.click('text=Stay signed in on this device');
  await stranger.waitForSelector('text=You stay signed in');
}));
