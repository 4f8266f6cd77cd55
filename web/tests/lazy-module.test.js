import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LazyModule, loadModule } from '../shared/lazy-module.js';

const settle = () => new Promise((/** @type {(value: void) => void} */ done) => setImmediate(done));
const AGE = new URL('../shared/age.js', import.meta.url);

test('a module whose import failed is loaded under another address', async () => {
  /** @type {() => Promise<typeof import('../shared/age.js')>} */
  const load = () => Promise.reject(new Error('remembered by the browser'));
  const { formatAge } = await loadModule(load, AGE);
  assert.equal(formatAge(42), '42 ms');
});

test('a module that can be imported is not loaded twice', async () => {
  assert.equal(await loadModule(() => import('../shared/age.js'), AGE), await import('../shared/age.js'));
});

test('a module that is requested repeatedly is loaded once, and retried ever less often while it is unavailable', async () => {
  let now = 0;
  let there = false;
  /** @type {number[]} */
  const tried = [];
  let used = 0;
  const load = () => (tried.push(now), there ? Promise.resolve('part') : Promise.reject(new Error('no relay')));
  const module = new LazyModule({ now: () => now, load, use: () => (used += 1) });
  const need = async (/** @type {number} */ until) => {
    for (; now < until; now += 250) {
      module.request();
      await settle();
    }
  };
  await need(120_000);
  assert.ok(tried.length >= 7 && tried.length <= 11, `${tried}`);
  assert.ok((tried[1] ?? 0) <= 1000, `${tried}`);
  there = true;
  const before = tried.length;
  module.retryNow();
  await need(180_000);
  assert.deepEqual([tried.length - before, used], [1, 1]);
});
