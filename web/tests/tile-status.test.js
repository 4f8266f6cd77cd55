import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONNECTION_LOST, statusOf } from '../page/tile-status.js';

const NOW = 1_000_000;
/** @type {import('../page/tile-status.js').TileInputs} */
const LIVE = {
  linkUp: true,
  watchedSince: NOW - 60_000,
  reported: { state: 'live', reason: '', since: 0 },
  error: '',
  picture: { ageAtPaint: 20, paintedAt: NOW - 30, interval: 33, painted: 500 },
};

/** @param {Partial<import('../page/tile-status.js').TileInputs>} changes */
const stateOf = (changes) => statusOf({ ...LIVE, ...changes }, NOW);
/** @param {Partial<NonNullable<typeof LIVE.picture>>} changes */
const picture = (changes) => ({ ageAtPaint: 20, paintedAt: NOW - 30, interval: 33, painted: 500, ...changes });

test('a tile with arriving frames is live', () => {
  assert.deepEqual(stateOf({}), { state: 'live', text: '', slow: false });
});

test('a picture that stopped is stale, even if the relay reports the stream as live', () => {
  const { state, text } = stateOf({ picture: picture({ paintedAt: NOW - 2100 }) });
  assert.deepEqual([state, text], ['stale', 'No picture for 2 s']);
});

test('a slow camera may miss five of its frames', () => {
  assert.equal(stateOf({ picture: picture({ paintedAt: NOW - 4900, interval: 1000 }) }).state, 'live');
  assert.equal(stateOf({ picture: picture({ paintedAt: NOW - 5100, interval: 1000 }) }).state, 'stale');
});

test('the relay gives the reason', () => {
  const reported = { state: /** @type {const} */ ('offline'), reason: 'camera unplugged', since: 0 };
  assert.deepEqual(stateOf({ reported }), { state: 'offline', text: 'Camera unplugged', slow: false });
  assert.equal(stateOf({ reported: { ...reported, state: 'ended', reason: '' } }).text, 'Source ended');
});

test('a stream that is gone says since when, and why', () => {
  const reported = { state: /** @type {const} */ ('offline'), reason: 'capture stopped', since: 0 };
  const gone = { since: NOW - 60_000, reason: 'capture stopped' };
  const { state, text } = stateOf({ reported, gone });
  assert.equal(state, 'gone');
  assert.match(text, /^Gone since [\d:]+(\s[AP]M)?: capture stopped$/);
  assert.match(stateOf({ reported, gone: { since: NOW - 3 * 86_400_000, reason: '' } }).text, /^Gone since .*[A-Z][a-z]+.*\s[\d:]+/, 'with the day');
  assert.match(stateOf({ reported, gone, error: 'no stream is called door' }).text, /^Gone since /);
  assert.match(stateOf({ reported, gone, paused: true }).text, /^Paused\. Gone since /);
  assert.equal(stateOf({ gone, reported: { ...reported, state: 'ended', reason: '' } }).text, 'Source ended');
  assert.equal(stateOf({ gone, linkUp: false }).text, CONNECTION_LOST);
});

test('a camera that repeats its picture is frozen since the first copy, whether or not copies arrive', () => {
  const since = new Date(2026, 10, 30, 3, 12);
  const now = new Date(2026, 10, 30, 15, 0).getTime();
  const reported = { state: /** @type {const} */ ('frozen'), reason: 'camera repeats the same picture', since: since.getTime() * 1000 };
  for (const paintedAt of [now - 30, now - 60_000]) {
    const known = { ...LIVE, reported, watchedSince: now - 60_000, picture: picture({ paintedAt }) };
    const { state, text } = statusOf(known, now);
    assert.equal(state, 'frozen');
    assert.match(text, /^Camera repeats the same picture since 0?3:12(\s[AP]M)?$/);
    const later = statusOf({ ...known, picture: picture({ paintedAt }) }, now + 86_400_000);
    assert.match(later.text, /^Camera repeats the same picture since .*Nov.*\s0?3:12/);
  }
  assert.equal(statusOf({ ...LIVE, reported, linkUp: false }, now).text, CONNECTION_LOST);
});

test('a lost link overrides everything', () => {
  assert.deepEqual(stateOf({ linkUp: false }), { state: 'stale', text: CONNECTION_LOST, slow: false });
  assert.equal(stateOf({ linkUp: false, picture: null }).state, 'waiting');
});

test('one old frame after a pause does not count as live; a second one does', () => {
  const watchedSince = NOW - 50;
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 50_000, painted: 1 }) }).state, 'waiting');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: Infinity, painted: 1 }) }).state, 'waiting');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 20, painted: 1 }) }).state, 'live');
  assert.equal(stateOf({ watchedSince, picture: picture({ ageAtPaint: 50_000, painted: 2 }) }).state, 'live');
});

test('the picture from before a pause waits, and is stale if no frame arrives', () => {
  const old = picture({ paintedAt: NOW - 90_000, painted: 0 });
  assert.deepEqual(stateOf({ watchedSince: NOW - 100, picture: old }), { state: 'waiting', text: '', slow: false });
  assert.equal(stateOf({ watchedSince: NOW - 2500, picture: old }).state, 'stale');
});

test('a tile without a request is idle, and an error is its reason', () => {
  assert.equal(stateOf({ watchedSince: null }).state, 'idle');
  assert.deepEqual(stateOf({ error: 'no stream is called x' }).text, 'No stream is called x');
});

test('a paused tile is paused, never live, and shows other problems', () => {
  assert.deepEqual(stateOf({ paused: true }), { state: 'paused', text: 'Paused', slow: false });
  assert.equal(stateOf({ paused: true, picture: picture({ paintedAt: NOW - 90_000 }) }).text, 'Paused');
  assert.equal(stateOf({ paused: true, linkUp: false }).text, `Paused. ${CONNECTION_LOST}`);
  const reported = { state: /** @type {const} */ ('offline'), reason: 'camera unplugged', since: 0 };
  assert.deepEqual(stateOf({ paused: true, reported }), { state: 'paused', text: 'Paused. Camera unplugged', slow: false });
  assert.equal(stateOf({ paused: true, picture: null }).state, 'waiting');
});

test('a tile that is too late to sync says so, and is live', () => {
  assert.deepEqual(stateOf({ outOfSync: true }), { state: 'live', text: 'Too far behind to sync', slow: false });
});

test('a slow link is still live', () => {
  assert.deepEqual(stateOf({ reported: { state: 'slow', reason: '', since: 0 } }), { state: 'live', text: '', slow: true });
});

test('frames that reach the relay late are never live, and show the reason', () => {
  const reason = 'frames reach this relay 8.4 s old: the bus is slow (the connection to capture cannot sustain this stream)';
  const words = `F${reason.slice(1)}`;
  const reported = { state: /** @type {const} */ ('late'), reason, since: 0 };
  assert.deepEqual(stateOf({ reported, picture: picture({ ageAtPaint: 8400 }) }), { state: 'late', text: words, slow: false });
  assert.equal(stateOf({ reported, picture: picture({ paintedAt: NOW - 2100 }) }).state, 'stale');
  assert.equal(stateOf({ reported, paused: true }).state, 'paused');
});

test('an unknown state never counts as live', () => {
  const reported = { state: /** @type {const} */ ('unknown'), reason: '', since: 0 };
  assert.deepEqual(stateOf({ reported }), { state: 'late', text: 'Unknown state reported by the relay', slow: false });
});

test('a preview waits for the stream without a text, never counts as live, and is stale after two seconds', () => {
  const previewed = (/** @type {number} */ ago) => ({ picture: null, watchedSince: NOW - 60_000, previewedAt: NOW - ago });
  assert.deepEqual(stateOf(previewed(1900)), { state: 'waiting', text: '', slow: false });
  assert.deepEqual(stateOf(previewed(2100)), { state: 'stale', text: 'No new picture', slow: false });
  assert.deepEqual(stateOf({ ...previewed(100), linkUp: false }), { state: 'stale', text: CONNECTION_LOST, slow: false });
  const reported = { state: /** @type {const} */ ('offline'), reason: 'camera unplugged', since: 0 };
  assert.deepEqual(stateOf({ ...previewed(100), reported }), { state: 'offline', text: 'Camera unplugged', slow: false });
});
