import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandsFor } from '../page/setup-commands.js';

/** @param {string} endpoint @returns {import('../shared/protocol.js').ListenEntry} */
const listening = (endpoint) => ({ endpoint, heard: false, connected: false, since: 0, reason: '' });
/** @param {string[]} endpoints */
const textsFor = (...endpoints) => commandsFor(null, endpoints.map(listening)).map(({ text }) => text);

test('a capture publishes where the relay listens', () => {
  assert.ok(textsFor('/run/user/1000/fanlight').every((text) => !text.includes('--publish')), 'found by itself');
  for (const endpoint of ['ipc:///run/cam.ipc', 'tcp://127.0.0.1:7475', 'tcp://localhost:7475', 'tcp://[::1]:7475']) {
    const streams = textsFor('tcp://192.168.1.9:7475', endpoint).filter((text) => text.includes('--stream'));
    assert.ok(streams.length > 0 && streams.every((text) => text.endsWith(` --publish ${endpoint}`)), endpoint);
  }
  assert.ok(textsFor('tcp://192.168.1.9:7475').every((text) => !text.includes('--publish')), 'on another machine');
});

test('there is always a network camera and a test picture; without a webcam, the command that lists them', () => {
  const has = (/** @type {string[]} */ texts, /** @type {string} */ part) => texts.some((text) => text.includes(part));
  const without = textsFor();
  const webcams = [{ device: '/dev/video4', name: 'C270' }];
  const found = commandsFor({ capture: '/opt/fanlight-capture', webcams }, []).map(({ text }) => text);
  for (const texts of [without, found]) assert.ok(has(texts, '=rtsp://') && has(texts, 'test=test'));
  assert.ok(has(without, '--list-devices') && !has(found, '--list-devices'));
  assert.equal(found[0], '/opt/fanlight-capture --stream cam=/dev/video4');
});
