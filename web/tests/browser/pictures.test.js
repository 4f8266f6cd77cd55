import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, statusTextOf, until, untilMoves, untilState, withMockRelay } from './harness.js';

test('a stream shows moving pictures, its name and its age', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  assert.equal(await page.textContent('.tile .name'), 'door');
  assert.match((await page.textContent('.tile .age')) ?? '', /^\d+ ms$/);
  const age = Number(await page.getAttribute('.tile', 'data-age'));
  assert.ok(age >= 4 && age < 2000, `age ${age}`);
  const marks = await page.evaluate(() => performance.getEntriesByName('fanlight-first-frame').length);
  assert.equal(marks, 1);
}));

test('the canvas shows the painted frames, and changes', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  const canvas = page.locator('.tile canvas');
  const before = await canvas.screenshot();
  await untilMoves(page, 'door');
  assert.notDeepEqual(await canvas.screenshot(), before);
}));

test('a browser that cannot paint in a worker shows pictures too', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('', {}, 'delete HTMLCanvasElement.prototype.transferControlToOffscreen');
  await untilMoves(page, 'door');
  assert.equal(await page.$eval('.tile canvas', (canvas) => canvas instanceof HTMLCanvasElement && canvas.width), 320);
}));

test('a stream in the address is requested before anything else is known', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open('?stream=hall');
  await untilMoves(page, 'hall');
  assert.deepEqual(relay.received.slice(0, 2).map(({ type, stream }) => [type, stream]), [['list', undefined], ['watch', 'hall']]);
  assert.equal(relay.received.filter(({ type, stream }) => type === 'watch' && stream === 'door').length, 0);
  await page.waitForSelector('.tile.enlarged[data-stream="hall"]');
}));

test('a picture that stops is stale, grey, and shows since when', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  stream.running = false;
  await untilState(page, 'door', 'stale');
  assert.match((await page.textContent('.tile .age')) ?? '', /^\d+ s ago$/);
  assert.match((await statusTextOf(page, 'door')) ?? '', /^No picture for \d+ s$/);
  await until(page, '.tile canvas', 'filter', 'grayscale(1)');
  stream.running = true;
  await untilMoves(page, 'door');
}));

test('an offline stream shows the reason, and returns by itself', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  // Announcements exist only once the controls are loaded.
  await page.waitForSelector('#actions button');
  relay.setState('door', 'offline', 'camera unplugged');
  await untilState(page, 'door', 'offline');
  assert.equal(await statusTextOf(page, 'door'), 'Camera unplugged');
  await until(page, '#announcements', 'text', 'door: Camera unplugged');
  relay.setState('door', 'live', '');
  await untilMoves(page, 'door');
}));

test('a stream without a picture has a name and a reason instead of a black tile', withMockRelay(async ({ relay, open }) => {
  const nothing = { width: 640, height: 360, fps: 10, pictures: [] };
  relay.add('cellar', nothing, { state: 'offline', reason: 'camera not found' });
  const page = await open();
  await untilState(page, 'cellar', 'offline');
  assert.equal(await page.textContent('.placeholder'), 'cellar Camera not found');
  assert.equal(await page.isVisible('.tile canvas'), false);
}));

test('a camera that repeats its picture is grey, has no age, and says since when', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  relay.add('hall', moving());
  const page = await open();
  await untilMoves(page, 'door');
  relay.setState('door', 'frozen', 'camera repeats the same picture');
  await untilState(page, 'door', 'frozen');
  assert.match((await statusTextOf(page, 'door')) ?? '', /^Camera repeats the same picture since (.*\s)?\d\d:\d\d(\s[AP]M)?$/);
  assert.equal(await page.textContent('[data-stream="door"] .age'), '');
  await until(page, '[data-stream="door"] canvas', 'filter', 'grayscale');
  await until(page, '#summary', 'text', '2 cameras, 1 frozen');
  relay.setState('door', 'live', '');
  await untilMoves(page, 'door');
}));

test('a late picture is amber, a very late one red', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  stream.delay = 800;
  const page = await open();
  await page.waitForSelector('.age[data-lateness="late"]');
  stream.delay = 3000;
  await page.waitForSelector('.age[data-lateness="very-late"]');
  stream.delay = 10;
  await page.waitForSelector('.age[data-lateness="fine"]');
}));

test('frames that reach the relay late show the reason and their age, and are not live', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  relay.setState('door', 'late', 'frames reach this relay 8.4 s old: the bus is slow (the connection to capture cannot sustain this stream)');
  await untilState(page, 'door', 'late');
  assert.match((await statusTextOf(page, 'door')) ?? '', /^Frames reach this relay 8\.4 s old/);
  const before = await page.getAttribute('.tile', 'data-sequence');
  await page.waitForSelector(`.tile:not([data-sequence="${before}"])`);
  assert.match((await page.textContent('.tile .age')) ?? '', /^\d+ ms$/, 'an age, and not a span since the picture stopped');
  const canvas = page.locator('[data-stream="door"] canvas');
  assert.match(await canvas.evaluate((element) => getComputedStyle(element).filter), /grayscale/);
  relay.setState('door', 'live', '');
  await untilState(page, 'door', 'live');
}));

test('invalid messages of the relay do no harm', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  for (const nonsense of ['', 'null', '{"type":"streams"}', '{"type":"track","id":"x"}', Buffer.alloc(7), Buffer.alloc(99)]) {
    relay.broadcast(nonsense);
  }
  const broken = Buffer.alloc(40);
  broken.set([1, 1, 1, 0, 1]);
  relay.broadcast(broken);
  await untilMoves(page, 'door');
}));
