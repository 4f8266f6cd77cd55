import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL_FRAME_RATE, FULL_RESOLUTION, LOWER_FRAME_RATE, LOWER_RESOLUTION, StatusMessages } from '../page/status-messages.js';

/** @type {import('../page/status-messages.js').WallState} */
const CALM = { slow: null, reduced: null, live: true, stuttering: [] };

test('without a problem the line is empty', () => {
  assert.equal(new StatusMessages().textFor(CALM, 0), '');
});

test('a slow link is reported while it is slow, and its recovery for a few seconds', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 0), LOWER_FRAME_RATE.link);
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 60_000), LOWER_FRAME_RATE.link);
  assert.equal(messages.textFor(CALM, 61_000), FULL_FRAME_RATE);
  assert.equal(messages.textFor(CALM, 64_900), FULL_FRAME_RATE);
  assert.equal(messages.textFor(CALM, 65_100), '');
});

test('a slow link that is lost has recovered only when frames arrive', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 0), LOWER_FRAME_RATE.link);
  assert.equal(messages.textFor({ ...CALM, live: false }, 1000), '');
  assert.equal(messages.textFor(CALM, 9000), FULL_FRAME_RATE);
});

test('a stutter of one tile is reported by name, of several together, and after worse problems', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, stuttering: ['door'] }, 0), 'door is stuttering');
  assert.equal(messages.textFor({ ...CALM, stuttering: ['door', 'hall'] }, 0), 'Several cameras are stuttering');
  assert.equal(messages.textFor({ ...CALM, slow: 'link', stuttering: ['door'] }, 0), LOWER_FRAME_RATE.link);
});

test('a message disappears after a few seconds', () => {
  const messages = new StatusMessages();
  messages.showMessage('In sync, 240 ms behind live', 1000);
  assert.equal(messages.textFor(CALM, 4900), 'In sync, 240 ms behind live');
  assert.equal(messages.textFor(CALM, 5100), '');
});

test('a lower resolution is reported while it lasts, and its end for a few seconds', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 0), '');
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 1000), LOWER_RESOLUTION.link);
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 60_000), LOWER_RESOLUTION.link);
  assert.equal(messages.textFor(CALM, 60_250), LOWER_RESOLUTION.link, 'it may be a probe');
  assert.equal(messages.textFor(CALM, 62_250), FULL_RESOLUTION);
  assert.equal(messages.textFor(CALM, 66_200), FULL_RESOLUTION);
  assert.equal(messages.textFor(CALM, 66_300), '');
});

test('a reduction shorter than a second is not reported, and neither is its end', () => {
  const messages = new StatusMessages();
  for (let now = 0; now < 20_000; now += 250) {
    const reduced = now % 2000 < 1000 ? 'link' : null;
    assert.equal(messages.textFor({ ...CALM, reduced }, now), '');
  }
});

test('a failed probe does not change the text', () => {
  const messages = new StatusMessages();
  for (let now = 0; now < 1000; now += 250) messages.textFor({ ...CALM, reduced: 'link' }, now);
  for (let now = 1000; now < 30_000; now += 250) {
    const reduced = now % 5000 < 3250 ? 'link' : null;
    assert.equal(messages.textFor({ ...CALM, reduced }, now), LOWER_RESOLUTION.link);
  }
});

test('a lower frame rate comes before a lower resolution', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 0), LOWER_FRAME_RATE.link);
  assert.equal(messages.textFor({ ...CALM, slow: 'link', reduced: 'link' }, 5000), LOWER_FRAME_RATE.link);
  // Full frame rate at a lower resolution is no recovery.
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 5250), LOWER_RESOLUTION.link);
  assert.equal(messages.textFor(CALM, 6000), LOWER_RESOLUTION.link);
  assert.equal(messages.textFor(CALM, 8000), FULL_RESOLUTION);
});

test('the answer to an action is shown also on a slow link', () => {
  const messages = new StatusMessages();
  messages.textFor({ ...CALM, reduced: 'link' }, 0);
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 1000), LOWER_RESOLUTION.link);
  messages.showMessage('In sync, 240 ms behind live', 2000);
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 2100), 'In sync, 240 ms behind live');
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 6100), LOWER_RESOLUTION.link);
});

test('a lost link hides the resolution, and the state after it is reported', () => {
  const messages = new StatusMessages();
  messages.textFor({ ...CALM, reduced: 'link' }, 0);
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 1000), LOWER_RESOLUTION.link);
  assert.equal(messages.textFor({ ...CALM, live: false }, 2000), '');
  assert.equal(messages.textFor({ ...CALM, live: false }, 20_000), '');
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 21_000), LOWER_RESOLUTION.link);
  messages.textFor(CALM, 22_000);
  assert.equal(messages.textFor(CALM, 24_000), FULL_RESOLUTION);
});

test('a cause that becomes known is named, and stays', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, slow: 'unknown' }, 0), LOWER_FRAME_RATE.unknown);
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 1000), LOWER_FRAME_RATE.link);
  assert.equal(messages.textFor({ ...CALM, slow: 'unknown' }, 2000), LOWER_FRAME_RATE.link);
  messages.textFor({ ...CALM, reduced: 'unknown' }, 3000);
  assert.equal(messages.textFor({ ...CALM, reduced: 'unknown' }, 4000), LOWER_RESOLUTION.link);
  const other = new StatusMessages();
  other.textFor({ ...CALM, reduced: 'unknown' }, 0);
  assert.equal(other.textFor({ ...CALM, reduced: 'unknown' }, 1000), LOWER_RESOLUTION.unknown);
  assert.equal(other.textFor({ ...CALM, reduced: 'device' }, 2000), LOWER_RESOLUTION.device);
});

test('no text claims anything about the age of pictures', () => {
  for (const text of [...Object.values(LOWER_FRAME_RATE), ...Object.values(LOWER_RESOLUTION), FULL_RESOLUTION, FULL_FRAME_RATE]) assert.doesNotMatch(text, /old|newest/);
});

test('a slow device is distinguished from a slow link, for as long as it lasts', () => {
  const messages = new StatusMessages();
  assert.equal(messages.textFor({ ...CALM, slow: 'device' }, 0), LOWER_FRAME_RATE.device);
  assert.equal(messages.textFor({ ...CALM, slow: 'link' }, 1000), LOWER_FRAME_RATE.device);
  assert.equal(messages.textFor({ ...CALM, reduced: 'link' }, 2000), LOWER_RESOLUTION.device);
});
