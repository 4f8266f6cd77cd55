import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack } from '../page/packing.js';

const WIDE = { width: 1440, height: 856 };
const PHONE = { width: 390, height: 800 };

/** @param {number[]} aspects @param {number[]} [large] indices of large tiles */
const items = (aspects, large = []) =>
  aspects.map((aspect, index) => ({ name: `cam${index}`, aspect, large: large.includes(index) }));
/** Returns various aspect ratios, the same in every run. @param {number} count */
const mixed = (count) => Array.from({ length: count }, (_, index) => [16 / 9, 4 / 3, 16 / 9, 9 / 16, 1][(index * 7) % 5] ?? 1);
/** @param {import('../page/packing.js').Packing} packing */
const area = ({ boxes }) => boxes.reduce((total, { width, height }) => total + width * height, 0);

/** @param {import('../page/packing.js').Packing} packing */
function extent({ boxes }) {
  const left = Math.min(...boxes.map(({ x }) => x));
  const top = Math.min(...boxes.map(({ y }) => y));
  const right = Math.max(...boxes.map(({ x, width }) => x + width));
  const bottom = Math.max(...boxes.map(({ y, height }) => y + height));
  return { left, top, right, bottom, area: (right - left) * (bottom - top) };
}

test('without tiles the wall is empty', () => {
  assert.deepEqual(pack([], WIDE), { boxes: [], height: 0 });
  assert.deepEqual(pack(items([1]), { width: 0, height: 0 }).boxes, []);
});

test('walls have no gaps, keep every aspect ratio and fit the screen', () => {
  for (let count = 1; count <= 24; count += 1) {
    for (const large of [[], [0], [count - 1], [1, 4]]) {
      const wall = items(mixed(count), large);
      const packing = pack(wall, WIDE);
      const outer = extent(packing);
      const name = `${count} tiles, large: ${large}`;
      assert.equal(packing.boxes.length, count, name);
      assert.ok(Math.abs(area(packing) - outer.area) < 1e-6 * outer.area, `${name}: gaps`);
      assert.ok(outer.right <= WIDE.width + 1e-6 && outer.left >= -1e-6, `${name}: too wide`);
      assert.ok(outer.bottom <= WIDE.height + 1e-6, `${name}: does not fit`);
      for (const box of packing.boxes) {
        const { aspect } = wall.find((item) => item.name === box.name) ?? { aspect: 0 };
        assert.ok(Math.abs(box.width / box.height - aspect) < 1e-9, `${name}: aspect of ${box.name}`);
      }
    }
  }
});

test('one stream fills the screen, six use most of it', () => {
  assert.equal(extent(pack(items([16 / 9]), WIDE)).right, 1440);
  assert.ok(area(pack(items(Array(6).fill(16 / 9)), WIDE)) > 0.7 * WIDE.width * WIDE.height);
});

test('tiles keep their order, row by row', () => {
  const { boxes } = pack(items(mixed(12)), WIDE);
  const inReadingOrder = [...boxes].sort((a, b) => Math.round(a.y - b.y) || a.x - b.x);
  assert.deepEqual(inReadingOrder.map(({ name }) => name), boxes.map(({ name }) => name));
});

test('a large tile is the largest', () => {
  for (const count of [3, 6, 7, 12]) {
    for (let which = 0; which < count; which += 1) {
      const { boxes } = pack(items(Array(count).fill(16 / 9), [which]), WIDE);
      const large = boxes.find(({ name }) => name === `cam${which}`);
      const others = boxes.filter((box) => box !== large).map(({ height }) => height);
      assert.ok(large && large.height >= Math.max(...others) - 1e-9, `${which} of ${count}`);
      assert.ok(large.height > 1.3 * Math.min(...others), `${which} of ${count} is hardly larger`);
    }
  }
});

test('a phone has one column that scrolls', () => {
  const packing = pack(items(mixed(6)), PHONE);
  assert.ok(packing.height > PHONE.height);
  assert.ok(packing.boxes.every(({ x, width, height }) => x >= 0 && x + width <= 390 && height <= 800));
  assert.equal(packing.boxes[0]?.width, 390);
});

test('more tiles than fit the screen scroll, at a useful size', () => {
  const packing = pack(items(Array(120).fill(16 / 9)), WIDE);
  assert.ok(packing.height > WIDE.height);
  assert.ok(packing.boxes.every(({ height }) => height >= 150));
});

test('the maximum number of streams is packed within a second', () => {
  const before = performance.now();
  pack(items(mixed(256), [3, 50, 200]), WIDE);
  assert.ok(performance.now() - before < 1000);
});
