import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dismissed } from '../page/dismissed.js';
import { MAX_STREAMS } from '../shared/protocol.js';

/** @returns {Storage} */
function storage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    length: 0,
    clear: () => kept.clear(),
    key: () => null,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

/** @param {string} name @param {Partial<import('../shared/protocol.js').StreamInfo>} [changes] @returns {import('../shared/protocol.js').StreamInfo} */
const info = (name, changes) => ({ name, state: 'offline', reason: '', since: 7, gone: true, source: '', tracks: [], viewers: 0, frame_age_ms: null, ...changes });

test('a dismissed stream stays dismissed, also after a reload, until it returns', () => {
  const machine = storage();
  const before = new Dismissed(machine);
  assert.equal(before.has(info('door')), false);
  before.add('door', 7);
  const after = new Dismissed(machine);
  assert.ok(after.has(info('door')));
  assert.equal(after.has(info('hall')), false);
  after.update([info('door', { gone: false, state: 'live' })]);
  assert.equal(after.has(info('door')), false);
  assert.equal(new Dismissed(machine).has(info('door')), false);
});

test('a stream that went again while no page was open is shown', () => {
  const dismissed = new Dismissed(null);
  dismissed.add('door', 7);
  assert.ok(dismissed.has(info('door')));
  assert.equal(dismissed.has(info('door', { since: 8 })), false);
});

test('no more names are stored than a page can list, and damaged content is ignored', () => {
  const machine = storage();
  const dismissed = new Dismissed(machine);
  for (let count = 0; count <= MAX_STREAMS; count += 1) dismissed.add(`cam-${count}`, 7);
  assert.equal(dismissed.has(info('cam-0')), false);
  assert.ok(dismissed.has(info(`cam-${MAX_STREAMS}`)));
  for (const text of ['{', 'null', '[]', '{"door":"x","__proto__":1}']) {
    machine.setItem('fanlight.dismissed', text);
    assert.equal(new Dismissed(machine).has(info('door')), false, text);
  }
});
