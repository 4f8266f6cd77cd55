import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, formatSpan, lateness, median, REPORTED_EVERY, shownAge, staleAfter } from '../shared/age.js';

test('ages are short to read', () => {
  const words = [-3, 0, 42.4, 999.4, 999.6, 1449, 9949, 9951, 59_999, 60_000, 7_200_000].map(formatAge);
  assert.deepEqual(words, ['0 ms', '0 ms', '42 ms', '999 ms', '1.0 s', '1.4 s', '9.9 s', '9 s', '59 s', '1 min', '2 h']);
  assert.equal(formatSpan(3 * 86_400_000), '3 d');
});

test('ages at which a picture is late and very late', () => {
  assert.deepEqual([499, 500, 501, 2000, 2001].map(lateness), ['fine', 'fine', 'late', 'late', 'very-late']);
});

test('a picture is stale after two seconds or five frames, whichever is later', () => {
  assert.equal(staleAfter(0), 2000);
  assert.equal(staleAfter(33), 2000);
  assert.equal(staleAfter(1000), 5000);
});

test('a slow camera keeps its age between frames, and an overdue frame makes it grow', () => {
  const picture = { ageAtPaint: 40, paintedAt: 10_000, interval: 1000 };
  assert.equal(shownAge(picture, 10_900), 40);
  assert.equal(shownAge(picture, 12_500), 2540);
  assert.equal(shownAge({ ...picture, interval: 33 }, 10_600), 640);
});

test('an age does not grow while the next report is on its way', () => {
  const picture = { ageAtPaint: 5, paintedAt: 10_000, interval: 100 };
  assert.equal(shownAge(picture, 10_000 + 100 + REPORTED_EVERY), 5);
});

test('the median is the middle value', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([]), 0);
});

test('the age of a slow camera grows between its pictures', () => {
  const picture = { ageAtPaint: 20, paintedAt: 10_000, interval: 6000 };
  assert.equal(shownAge(picture, 11_000), 20);
  assert.equal(shownAge(picture, 15_000), 5020);
});
