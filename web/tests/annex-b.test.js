import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codecString, holdsPicture, parameterSet } from '../worker/annex-b.js';

const SPS = [0x67, 0x64, 0x00, 0x1f, 0xac];

test('the codec string has profile, constraints and level of the parameter set', () => {
  assert.equal(codecString(new Uint8Array([0x67, 0x42, 0xc0, 0x0a])), 'avc1.42C00A');
});

test('the parameter set is found between start codes of both lengths, behind other units', () => {
  const unit = new Uint8Array([0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x06, 5, 1, 0x80, 0, 0, 0, 1, ...SPS, 0, 0, 1, 0x68, 0xee]);
  const set = parameterSet(unit);
  assert.deepEqual([...(set ?? [])], SPS);
  assert.equal(codecString(set ?? new Uint8Array()), 'avc1.64001F');
});

test('a delta, and a truncated keyframe, have no parameter set', () => {
  for (const bytes of [[], [0, 0, 1], [0, 0, 1, 0x67], [0, 0, 0, 1, 0x67, 0x64, 0x00], [0, 0, 0, 1, 0x41, 0x9a, 1, 2, 3], [0x67, 1, 2, 3, 4]]) {
    assert.equal(parameterSet(new Uint8Array(bytes)), null, bytes.join());
  }
});

test('only slices contain a picture', () => {
  assert.ok(holdsPicture(new Uint8Array([0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, ...SPS, 0, 0, 1, 0x65, 0x88])));
  assert.ok(holdsPicture(new Uint8Array([0, 0, 1, 0x41, 0x9a])));
  for (const bytes of [[], [0, 0, 1], [1, 2, 3, 4, 5], [0, 0, 0, 1, 0x09, 0xf0], [0, 0, 1, ...SPS, 0, 0, 1, 0x06, 5, 1]]) {
    assert.ok(!holdsPicture(new Uint8Array(bytes)), bytes.join());
  }
});
