import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommonAge, MOST_BEHIND } from '../worker/common-age.js';

/**
 * Tiles of these ages, for so long, at ten frames a second.
 * @param {CommonAge} common @param {Record<number, number>} ages by tile @param {{ from?: number, seconds?: number }} [time]
 */
function pass(common, ages, { from = 0, seconds = 3 } = {}) {
  let now = from;
  for (; now < from + seconds * 1000; now += 100) {
    for (const [id, age] of Object.entries(ages)) common.add(Number(id), age, now);
    common.settle(now);
  }
  return now;
}

test('all are as old as the latest of them, and a little more', () => {
  const common = new CommonAge();
  pass(common, { 1: 30, 2: 240 });
  assert.ok(common.age !== null && common.age >= 240 && common.age < 280, String(common.age));
});

test('without a tile there is no age', () => {
  const common = new CommonAge();
  common.settle(1000);
  assert.equal(common.age, null);
});

test('a single late frame changes nothing', () => {
  const common = new CommonAge();
  let now = pass(common, { 1: 100 });
  const before = common.age;
  common.add(1, 900, now);
  pass(common, { 1: 100 }, { from: now, seconds: 1 });
  assert.equal(common.age, before);
});

test('it follows slowly, up and down, and not below what is jitter', () => {
  const common = new CommonAge();
  let now = pass(common, { 1: 100 }, { seconds: 6 });
  now = pass(common, { 1: 700 }, { from: now, seconds: 1 });
  assert.ok((common.age ?? 0) < 300, `after a second ${common.age}`);
  now = pass(common, { 1: 700 }, { from: now, seconds: 5 });
  assert.ok((common.age ?? 0) >= 700, `after six ${common.age}`);
  now = pass(common, { 1: 100 }, { from: now, seconds: 7 });
  assert.ok((common.age ?? 0) > 550, `back after seven ${common.age}`);
  now = pass(common, { 1: 100 }, { from: now, seconds: 15 });
  const settled = common.age;
  assert.ok((settled ?? 999) < 140, `at last ${settled}`);
  pass(common, { 1: 101 }, { from: now, seconds: 10 });
  assert.equal(common.age, settled);
});

test('a tile that is too late is left out, and comes back well below the bound', () => {
  const common = new CommonAge();
  let now = pass(common, { 1: 40, 2: 5000 });
  assert.ok(common.leavesOut(2) && !common.leavesOut(1));
  assert.ok((common.age ?? 999) < 100);
  now = pass(common, { 1: 40, 2: MOST_BEHIND - 100 }, { from: now, seconds: 8 });
  assert.ok(common.leavesOut(2));
  pass(common, { 1: 40, 2: 300 }, { from: now, seconds: 8 });
  assert.equal(common.leavesOut(2), false);
});

test('nobody waits longer than the bound', () => {
  const common = new CommonAge();
  pass(common, { 1: 1979, 2: 10 }, { seconds: 8 });
  assert.ok((common.age ?? 9999) <= MOST_BEHIND, String(common.age));
});

test('a tile that sends nothing any more is not waited for', () => {
  const common = new CommonAge();
  const now = pass(common, { 1: 40, 2: 800 });
  pass(common, { 1: 40 }, { from: now, seconds: 30 });
  assert.ok((common.age ?? 999) < 90, String(common.age));
});
