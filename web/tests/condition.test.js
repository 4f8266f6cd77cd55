import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionOf, LINK_LOST } from '../page/condition.js';

const NOW = 1_000_000;
/** @type {import('../page/condition.js').Known} */
const LIVE = {
  linkUp: true,
  watchedSince: NOW - 60_000,
  told: { state: 'live', reason: '', since: 0 },
  error: '',
  picture: { ageAtPaint: 20, paintedAt: NOW - 30, interval: 33, painted: 500 },
};

/** @param {Partial<import('../page/condition.js').Known>} changes */
const stateOf = (changes) => conditionOf({ ...LIVE, ...changes }, NOW);
/** @param {Partial<NonNullable<typeof LIVE.picture>>} changes */
const picture = (changes) => ({ ageAtPaint: 20, paintedAt: NOW - 30, interval: 33, painted: 500, ...changes });

test('pictures that come are live', () => {
  assert.deepEqual(stateOf({}), { state: 'live', words: '', slow: false });
});

test('a frozen picture is stale, however well the relay thinks of it', () => {
  const { state, words } = stateOf({ picture: picture({ paintedAt: NOW - 2100 }) });
  assert.deepEqual([state, words], ['stale', 'No picture for 2 s']);
});

test('a slow camera is given five of its frames', () => {
  assert.equal(stateOf({ picture: picture({ paintedAt: NOW - 4900, interval: 1000 }) }).state, 'live');
  assert.equal(stateOf({ picture: picture({ paintedAt: NOW - 5100, interval: 1000 }) }).state, 'stale');
});

test('the reason comes from the relay', () => {
  const told = { state: /** @type {const} */ ('offline'), reason: 'camera unplugged', since: 0 };
  assert.deepEqual(stateOf({ told }), { state: 'offline', words: 'Camera unplugged', slow: false });
  assert.equal(stateOf({ told: { ...told, state: 'ended', reason: '' } }).words, 'The source came to its end');
});

test('a lost link beats everything', () => {
  assert.deepEqual(stateOf({ linkUp: false }), { state: 'stale', words: LINK_LOST, slow: false });
  assert.equal(stateOf({ linkUp: false, picture: null }).state, 'waiting');
});

test('one old picture after a pause does not pass as live; a second one does', () => {
  const watchedSince = NOW - 50;
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 50_000, painted: 1 }) }).state, 'waiting');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: Infinity, painted: 1 }) }).state, 'waiting');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 20, painted: 1 }) }).state, 'live');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 50_000, painted: 2 }) }).state, 'live');
});

test('what was on the screen before a pause waits, and is stale when nothing comes', () => {
  const old = picture({ paintedAt: NOW - 90_000, painted: 0 });
  assert.deepEqual(stateOf({ watchedSince: NOW - 100, picture: old }), { state: 'waiting', words: '', slow: false });
  assert.equal(stateOf({ watchedSince: NOW - 2500, picture: old }).state, 'stale');
});

test('not asked for is idle, an error is a reason', () => {
  assert.equal(stateOf({ watchedSince: null }).state, 'idle');
  assert.deepEqual(stateOf({ error: 'no stream is called x' }).words, 'No stream is called x');
});

test('what the viewer holds is frozen, never live, and tells what else is wrong', () => {
  assert.deepEqual(stateOf({ frozen: true }), { state: 'frozen', words: 'Frozen', slow: false });
  assert.equal(stateOf({ frozen: true, picture: picture({ paintedAt: NOW - 90_000 }) }).words, 'Frozen');
  assert.equal(stateOf({ frozen: true, linkUp: false }).words, `Frozen. ${LINK_LOST}`);
  const told = { state: /** @type {const} */ ('offline'), reason: 'camera unplugged', since: 0 };
  assert.deepEqual(stateOf({ frozen: true, told }), { state: 'frozen', words: 'Frozen. Camera unplugged', slow: false });
  assert.equal(stateOf({ frozen: true, picture: null }).state, 'waiting');
});

test('a tile that is too late to be in step says so, and is live', () => {
  assert.deepEqual(stateOf({ leftOut: true }), { state: 'live', words: 'Too late to be in step', slow: false });
});

test('a slow link is still live', () => {
  assert.deepEqual(stateOf({ told: { state: 'slow', reason: '', since: 0 } }), { state: 'live', words: '', slow: true });
});

test('pictures that reach the relay late are never live, with its reason', () => {
  const reason = 'frames reach this relay 8.4 s old: the connection to capture is too slow for this stream';
  const words = `F${reason.slice(1)}`;
  const told = { state: /** @type {const} */ ('late'), reason, since: 0 };
  assert.deepEqual(stateOf({ told, picture: picture({ ageAtPaint: 8400 }) }), { state: 'late', words, slow: false });
  assert.equal(stateOf({ told, picture: picture({ paintedAt: NOW - 2100 }) }).state, 'stale');
  assert.equal(stateOf({ told, frozen: true }).state, 'frozen');
});

test('a state that this page does not know never passes as live', () => {
  const told = { state: /** @type {const} */ ('unknown'), reason: '', since: 0 };
  assert.deepEqual(stateOf({ told }), { state: 'late', words: 'The relay reports an unknown state', slow: false });
});
