import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { ForeignSite } from '../foreign-site.js';
import { MockRelay } from '../mock-relay.js';
import { numberOn, video } from './harness.js';

const COUNT = 60;

/** Runs a test in Firefox, which has another decoder and another canvas. @param {(relay: MockRelay, page: import('puppeteer-core').Page) => Promise<void>} act */
function inFirefox(act) {
  return async () => {
    const relay = await new MockRelay().start();
    const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
    const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
    try {
      await act(relay, await browser.newPage());
    } finally {
      await browser.close();
      await relay.stop();
    }
  };
}

test('Firefox shows the right H.264 frame, and steps back', inFirefox(async (relay, page) => {
  relay.add('door', video());
  await page.goto(relay.address);
  await page.waitForSelector('.tile[data-state="live"][data-codec="h264"]');
  await page.waitForSelector('#actions button');
  await page.waitForFunction(() => Number(document.querySelector('.tile')?.getAttribute('data-sequence')) > 30);
  await page.keyboard.press(' ');
  await page.waitForFunction(() => document.querySelector('.moment')?.textContent !== '');
  const live = await captured(page);
  await page.keyboard.down('Shift');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.up('Shift');
  await page.waitForFunction((live) => Number(document.querySelector('.tile')?.getAttribute('data-captured')) < live, {}, live);
  const sequence = Number(await page.$eval('.tile', (tile) => tile.getAttribute('data-sequence')));
  assert.equal(await numberOn(page, 'door'), sequence % COUNT);
  await page.keyboard.press(' ');
  await page.waitForFunction((live) => Number(document.querySelector('.tile')?.getAttribute('data-captured')) > live, {}, live);
  assert.deepEqual(relay.received.filter(({ type }) => type === 'keyframe'), []);
}));

/** @param {import('puppeteer-core').Page} page */
async function captured(page) {
  return Number(await page.$eval('.tile', (tile) => tile.getAttribute('data-captured')));
}

test('Firefox: Space after a click on a button pauses, a double click is full screen, and Back closes the tile', inFirefox(async (relay, page) => {
  for (const name of ['door', 'hall']) relay.add(name, video());
  await page.goto(relay.address);
  await page.waitForSelector('.tile[data-state="live"]');
  await page.waitForSelector('#actions button');
  await page.click('#actions [aria-label="Sync all cameras"]');
  await page.waitForSelector('#actions [aria-label="Sync all cameras"][aria-pressed="true"]');
  await page.keyboard.press(' ');
  await page.waitForSelector('.tile[data-state="paused"]');
  await page.keyboard.press(' ');
  await page.waitForFunction(() => document.querySelector('[data-state="paused"]') === null);
  assert.equal(await page.$eval('#actions [aria-label="Sync all cameras"]', (button) => button.getAttribute('aria-pressed')), 'true');
  await page.click('.tile[data-stream="hall"] .view', { count: 2 });
  await page.waitForFunction(() => document.fullscreenElement !== null);
  await page.waitForSelector('.enlarged[data-stream="hall"]');
  await page.evaluate(() => history.back());
  await page.waitForFunction(() => document.querySelector('.enlarged') === null && document.fullscreenElement === null);
}));

test('Firefox shows the example of an embedding page, from another origin', inFirefox(async (relay, page) => {
  relay.token = 'VIEWING-TOKEN';
  relay.add('test', video());
  const site = await new ForeignSite().start();
  const example = readFileSync(new URL('../../../docs/examples/embed.html', import.meta.url), 'utf8');
  site.html = example.replaceAll('http://127.0.0.1:7474/', relay.address);
  try {
    await page.goto(site.address);
    const shows = (/** @type {string} */ element) => page.waitForFunction((element) => {
      const box = document.querySelector(element)?.shadowRoot?.querySelector('.box');
      return box?.getAttribute('data-state') === 'live' && Number(box.getAttribute('data-sequence')) > 5;
    }, {}, element);
    await shows('fanlight-view[controls]');
    await shows('fanlight-view[codec="jpeg"]');
    assert.equal(await page.$eval('#state', (output) => output.textContent), 'live');
    assert.equal(relay.connections, 1);
  } finally {
    await site.stop();
  }
}));
