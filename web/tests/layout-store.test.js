import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  emptyLayout,
  inOrder,
  layoutFromParameters,
  linkWithLayout,
  loadLayout,
  moved,
  parametersOfLayout,
  rotationOf,
  saveLayout,
  withoutLayout,
} from '../page/layout-store.js';

/** @returns {Storage} */
function memory() {
  /** @type {Map<string, string>} */
  const values = new Map();
  return {
    length: 0,
    clear: () => values.clear(),
    key: () => null,
    removeItem: (key) => void values.delete(key),
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
  };
}

/** @returns {import('../page/layout-store.js').Layout} */
const layout = () => ({ order: ['hall', 'door'], large: new Set(['door']), rotation: new Map([['hall', 90]]) });

test('a layout survives storage and a URL', () => {
  const storage = memory();
  saveLayout(layout(), storage);
  assert.deepEqual(loadLayout(new URLSearchParams(), storage), layout());
  assert.deepEqual(layoutFromParameters(parametersOfLayout(layout())), layout());
});

test('a shared layout overrides the stored one', () => {
  const storage = memory();
  saveLayout(layout(), storage);
  assert.deepEqual(loadLayout(new URLSearchParams('order=door'), storage).order, ['door']);
});

test('a link is readable, keeps other parameters and replaces the old layout', () => {
  const link = linkWithLayout('http://relay:7474/wall/?kiosk=1&order=x', layout());
  assert.equal(link, 'http://relay:7474/wall/?kiosk=1&order=hall,door&large=door&rotate=hall:90');
  assert.equal(withoutLayout(link).href, 'http://relay:7474/wall/?kiosk=1');
  assert.equal(linkWithLayout('http://relay/', emptyLayout()), 'http://relay/');
});

test('invalid parts are ignored', () => {
  const strange = layoutFromParameters(new URLSearchParams('order=a,,A B,a,b&large=../x&rotate=a:45,b:180,c,:90,d:-90'));
  assert.deepEqual(strange.order, ['a', 'b']);
  assert.equal(strange.large.size, 0);
  assert.deepEqual([...strange.rotation], [['b', 180], ['d', 270]]);
});

test('forbidden storage is treated as no storage', () => {
  const forbidden = { ...memory(), getItem: () => { throw new Error('no'); }, setItem: () => { throw new Error('no'); } };
  saveLayout(layout(), forbidden);
  assert.deepEqual(loadLayout(new URLSearchParams(), forbidden), emptyLayout());
  assert.deepEqual(loadLayout(new URLSearchParams(), null), emptyLayout());
});

test('known names keep their order, new ones follow alphabetically', () => {
  assert.deepEqual(inOrder(['attic', 'door', 'yard', 'hall'], layout()), ['hall', 'door', 'attic', 'yard']);
});

test('moving keeps all names', () => {
  assert.deepEqual(moved(['a', 'b', 'c'], 'a', 2), ['b', 'c', 'a']);
  assert.deepEqual(moved(['a', 'b', 'c'], 'c', -1), ['c', 'a', 'b']);
  assert.deepEqual(moved(['a', 'b', 'c'], 'b', 9), ['a', 'c', 'b']);
});

test('every angle becomes one of four rotations', () => {
  assert.deepEqual([0, 90, 360, 450, -90, 45, Number.NaN].map(rotationOf), [0, 90, 0, 90, 270, 0, 0]);
});
