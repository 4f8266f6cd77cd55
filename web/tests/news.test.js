import assert from 'node:assert/strict';
import { test } from 'node:test';
import { News, SLOW, WELL } from '../news.js';

const CALM = { slow: false, live: true, freezing: [] };

test('where all is well nothing is said', () => {
  assert.equal(new News().words(CALM, 0), '');
});

test('a slow link is told as long as it is slow, and for a moment that it is well again', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: true }, 0), SLOW);
  assert.equal(news.words({ ...CALM, slow: true }, 60_000), SLOW);
  assert.equal(news.words(CALM, 61_000), WELL);
  assert.equal(news.words(CALM, 64_900), WELL);
  assert.equal(news.words(CALM, 65_100), '');
});

test('a slow link that is lost is well again only when pictures come', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, slow: true }, 0), SLOW);
  assert.equal(news.words({ ...CALM, live: false }, 1000), '');
  assert.equal(news.words(CALM, 9000), WELL);
});

test('freezes are told of one tile by name, of more together, and after what is worse', () => {
  const news = new News();
  assert.equal(news.words({ ...CALM, freezing: ['door'] }, 0), 'door freezes now and then');
  assert.equal(news.words({ ...CALM, freezing: ['door', 'hall'] }, 0), 'Pictures freeze now and then');
  assert.equal(news.words({ ...CALM, slow: true, freezing: ['door'] }, 0), SLOW);
});

test('what is told once goes by itself', () => {
  const news = new News();
  news.tellOnce('In step, 240 ms behind', 1000);
  assert.equal(news.words(CALM, 4900), 'In step, 240 ms behind');
  assert.equal(news.words(CALM, 5100), '');
});
