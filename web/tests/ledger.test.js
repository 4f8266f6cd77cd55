import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from '../worker/ledger.js';

/** @param {...number} sequences */
function ledgerOf(...sequences) {
  const ledger = new Ledger();
  sequences.forEach((sequence, order) => ledger.came(order, BigInt(sequence)));
  return ledger;
}

test('a frame that is not done with holds back the word on all after it', () => {
  const ledger = ledgerOf(10, 11, 14);
  assert.equal(ledger.done(1), null);
  assert.equal(ledger.done(0), 11n);
  assert.equal(ledger.done(2), 14n);
});

test('being done with a frame twice says nothing', () => {
  const ledger = ledgerOf(10);
  assert.equal(ledger.done(0), 10n);
  assert.equal(ledger.done(0), null);
  assert.equal(ledger.done(7), null);
});

test('a track that begins anew at the same number is acknowledged all the same', () => {
  const ledger = ledgerOf(5);
  assert.equal(ledger.done(0), 5n);
  ledger.came(1, 5n);
  assert.equal(ledger.done(1), 5n);
});

test('whatever the order in which frames are done with, the last word is the newest frame', () => {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  for (const order of orders) {
    const ledger = ledgerOf(3, 5, 8);
    const words = order.map((number) => ledger.done(number)).filter((word) => word !== null);
    assert.equal(words.at(-1), 8n, String(order));
    assert.deepEqual(words, [...words].sort((a, b) => Number(a - b)), String(order));
  }
});
