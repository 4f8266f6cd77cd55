import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHOICES, h264Obstacle, nextAfter, onlyFormat } from '../page/codec-choice.js';

test('the key c goes through all formats', () => {
  const order = [nextAfter('auto'), nextAfter('jpeg'), nextAfter('h264')];
  assert.deepEqual(order, ['jpeg', 'h264', 'auto']);
  assert.equal(CHOICES.length, 3);
});

test('a page that cannot decode H.264 says why', () => {
  assert.equal(h264Obstacle(true, false), '');
  assert.equal(onlyFormat(h264Obstacle(false, false)), 'JPEG (H.264 needs HTTPS)');
  assert.equal(onlyFormat(h264Obstacle(false, true)), 'JPEG (this browser does not decode H.264)');
});
