import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Handovers } from '../worker/handovers.js';

/** Sends a bitmap every tenth of a second, and returns how many were let through. @param {Handovers} handovers @param {number} from @param {number} to */
function send(handovers, from, to, answered = false) {
  let count = 0;
  for (let now = from; now < to; now += 100) {
    if (!handovers.maySend(1, now)) continue;
    count += 1;
    if (answered) handovers.painted(1);
  }
  return count;
}

test('two bitmaps are sent ahead, and each answer lets another one through', () => {
  const handovers = new Handovers();
  assert.deepEqual([1, 2, 3].map(() => handovers.maySend(1, 0)), [true, true, false]);
  handovers.painted(1);
  assert.deepEqual([1, 2].map(() => handovers.maySend(1, 10)), [true, false]);
  assert.ok(handovers.maySend(2, 10), 'another tile');
});

test('two answers that never come stop a tile for one second', () => {
  const handovers = new Handovers();
  handovers.maySend(1, 0);
  handovers.maySend(1, 0);
  assert.equal(send(handovers, 100, 1000, true), 0);
  assert.ok(send(handovers, 1000, 2000, true) >= 9);
});

test('a page whose thread stands still for ten minutes gets few bitmaps, and is served again when it answers', () => {
  const handovers = new Handovers();
  const count = send(handovers, 0, 600_000);
  assert.ok(count > 10 && count < 50, String(count));
  handovers.painted(1);
  handovers.painted(1);
  assert.ok(send(handovers, 600_000, 601_000, true) >= 9);
});

test('a tile that is forgotten begins again', () => {
  const handovers = new Handovers();
  handovers.maySend(1, 0);
  handovers.maySend(1, 0);
  handovers.forget(1);
  assert.ok(handovers.maySend(1, 1));
});
