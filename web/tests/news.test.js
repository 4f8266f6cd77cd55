import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL, News, SLOW, SMALLER, WELL } from '../page/news.js';

/** @type {import('../page/news.js').Known} */
const CALM = { slow: null, reduced: null, live: true, freezing: [] };

test('where all is well nothing is said', () => {
  assert.equal(new News().words(CALM, 0), '');
});

test('a slow link is told as long as it is slow, and for a moment that it is well again', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: 'link' }, 0), SLOW.link);
  assert.equal(news.words({ ...CALM, slow: 'link' }, 60_000), SLOW.link);
  assert.equal(news.words(CALM, 61_000), WELL);
  assert.equal(news.words(CALM, 64_900), WELL);
  assert.equal(news.words(CALM, 65_100), '');
});

test('a slow link that is lost is well again only when pictures come', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: 'link' }, 0), SLOW.link);
  assert.equal(news.words({ ...CALM, live: false }, 1000), '');
  assert.equal(news.words(CALM, 9000), WELL);
});

test('freezes are told of one tile by name, of more together, and after what is worse', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, freezing: ['door'] }, 0), 'door freezes now and then');
  assert.equal(news.words({ ...CALM, freezing: ['door', 'hall'] }, 0), 'Pictures freeze now and then');
  assert.equal(news.words({ ...CALM, slow: 'link', freezing: ['door'] }, 0), SLOW.link);
});

test('what is told once goes by itself', () => {
  const news = new News();
  news.tellOnce('In step, 240 ms behind', 1000);
  assert.equal(news.words(CALM, 4900), 'In step, 240 ms behind');
  assert.equal(news.words(CALM, 5100), '');
});

test('smaller pictures are told of as long as they come, and for a moment that they do no longer', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 0), '');
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 1000), SMALLER.link);
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 60_000), SMALLER.link);
  assert.equal(news.words(CALM, 60_250), SMALLER.link, 'it may be a trial');
  assert.equal(news.words(CALM, 62_250), FULL);
  assert.equal(news.words(CALM, 66_200), FULL);
  assert.equal(news.words(CALM, 66_300), '');
});

test('a reduction for less than a second is not worth a word, and neither is its end', () => {
  const news = new News();
  for (let now = 0; now < 20_000; now += 250) {
    const reduced = now % 2000 < 1000 ? 'link' : null;
    assert.equal(news.words({ ...CALM, reduced }, now), '');
  }
});

test('a trial of a larger size that fails changes no word', () => {
  const news = new News();
  for (let now = 0; now < 1000; now += 250) news.words({ ...CALM, reduced: 'link' }, now);
  for (let now = 1000; now < 30_000; now += 250) {
    const reduced = now % 5000 < 3250 ? 'link' : null;
    assert.equal(news.words({ ...CALM, reduced }, now), SMALLER.link);
  }
});

test('fewer pictures are worse than smaller ones', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: 'link' }, 0), SLOW.link);
  assert.equal(news.words({ ...CALM, slow: 'link', reduced: 'link' }, 5000), SLOW.link);
  // All of them again, but smaller ones: nothing that is well.
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 5250), SMALLER.link);
  assert.equal(news.words(CALM, 6000), SMALLER.link);
  assert.equal(news.words(CALM, 8000), FULL);
});

test('what somebody asked for is answered also on a slow link', () => {
  const news = new News();
  news.words({ ...CALM, reduced: 'link' }, 0);
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 1000), SMALLER.link);
  news.tellOnce('In step, 240 ms behind', 2000);
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 2100), 'In step, 240 ms behind');
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 6100), SMALLER.link);
});

test('a lost link says nothing of sizes, and what comes after it is told', () => {
  const news = new News();
  news.words({ ...CALM, reduced: 'link' }, 0);
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 1000), SMALLER.link);
  assert.equal(news.words({ ...CALM, live: false }, 2000), '');
  assert.equal(news.words({ ...CALM, live: false }, 20_000), '');
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 21_000), SMALLER.link);
  news.words(CALM, 22_000);
  assert.equal(news.words(CALM, 24_000), FULL);
});

test('a cause that becomes known is named, and then stays', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: 'unknown' }, 0), SLOW.unknown);
  assert.equal(news.words({ ...CALM, slow: 'link' }, 1000), SLOW.link);
  assert.equal(news.words({ ...CALM, slow: 'unknown' }, 2000), SLOW.link);
  news.words({ ...CALM, reduced: 'unknown' }, 3000);
  assert.equal(news.words({ ...CALM, reduced: 'unknown' }, 4000), SMALLER.link);
  const other = new News();
  other.words({ ...CALM, reduced: 'unknown' }, 0);
  assert.equal(other.words({ ...CALM, reduced: 'unknown' }, 1000), SMALLER.unknown);
  assert.equal(other.words({ ...CALM, reduced: 'device' }, 2000), SMALLER.device);
});

test('no text claims that pictures are not old', () => {
  for (const text of [...Object.values(SLOW), ...Object.values(SMALLER), FULL, WELL]) assert.doesNotMatch(text, /old|newest/);
});

test('a slow device is told apart from a slow link, and blamed for as long as it lasts', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: 'device' }, 0), SLOW.device);
  assert.equal(news.words({ ...CALM, slow: 'link' }, 1000), SLOW.device);
  assert.equal(news.words({ ...CALM, reduced: 'link' }, 2000), SMALLER.device);
});
