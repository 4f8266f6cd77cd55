import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../worker/connection.js';
import { FakeLink } from './fake-link.js';
import { VirtualTime } from './virtual-time.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const WIDTH = 1280;

/** Sets up a page that watches one stream over a fake link. @param {Partial<FakeLink>} [how] */
function page(how = {}) {
  const time = new VirtualTime();
  const link = Object.assign(new FakeLink(time), how);
  /** @type {import('../shared/messages.js').Link[]} */
  const links = [];
  let frames = 0;
  const watch = () => connection.send({ type: 'watch', max_width: WIDTH / 2 ** connection.halvings });
  const connection = new Connection({
    now: time.now,
    after: time.after,
    onOpen: watch,
    onScaleChange: watch,
    onLink: (link) => links.push(link),
    onMessage: () => {},
    onFrame: () => (frames += 1),
  });
  connection.open({ socket: 'ws://relay/ws', check: 'http://relay/' });
  return { time, link, links, connection, frames: () => frames };
}

/** Makes frames take time in proportion to their area. @param {number} full time for the full width, in milliseconds */
const byArea = (full) => (/** @type {number} */ width) => full * (width / WIDTH) ** 2;

test('a link on which the first frame takes 14 s shows a smaller picture within 10 s', async () => {
  const { time, link, frames } = page();
  link.frameTime = byArea(14 * SECOND);
  await time.pass(10 * SECOND);
  assert.ok(frames() > 0, 'a frame has come');
  assert.deepEqual(link.sockets.map(({ widths }) => widths[0]), [WIDTH, WIDTH / 2]);
});

test('a link that sustains only the smallest frames is found after a few attempts', async () => {
  const { time, link, frames } = page();
  link.frameTime = byArea(400 * SECOND);
  await time.pass(MINUTE);
  assert.ok(frames() > 0, `after widths ${link.sockets.map(({ widths }) => widths[0])}`);
});

test('a stream of one size whose frames take 16 s is shown, because the timeout grows with each failure', async () => {
  const { time, link, frames } = page();
  link.frameTime = () => 16 * SECOND;
  await time.pass(MINUTE);
  assert.ok(frames() > 0, `${link.sockets.length} sockets and no frame`);
  const { length } = link.sockets;
  await time.pass(10 * MINUTE);
  assert.equal(link.sockets.length, length, 'the socket stays');
  assert.ok(frames() > 30, String(frames()));
});

test('a slow link on which frames arrive keeps its socket', async () => {
  for (const seconds of [4, 6, 9, 12]) {
    const { time, link } = page();
    link.frameTime = () => seconds * SECOND;
    await time.pass(2 * MINUTE);
    const { length } = link.sockets;
    await time.pass(20 * MINUTE);
    assert.equal(link.sockets.length, length, `frames of ${seconds} s`);
  }
});

test('a link that recovers is asked for full size again', async () => {
  const { time, link } = page();
  link.frameTime = byArea(60 * SECOND);
  await time.pass(MINUTE);
  assert.ok((link.newest.widths.at(-1) ?? 0) < WIDTH);
  link.frameTime = byArea(0.05 * SECOND);
  await time.pass(MINUTE);
  assert.equal(link.newest.widths.at(-1), WIDTH);
});

test('a link that is too slow for full size is asked for it ever less often', async () => {
  const { time, link } = page();
  // Smaller frames arrive quickly, and the full one never does: each request for it costs a socket.
  link.frameTime = (width) => (width > WIDTH / 2 ? 60 * SECOND : 0.05 * SECOND);
  await time.pass(10 * MINUTE);
  const { length } = link.sockets;
  assert.ok(length <= 9, `${length} sockets in ten minutes`);
  await time.pass(20 * MINUTE);
  assert.ok(link.sockets.length <= length + 6, `${link.sockets.length - length} more in twenty minutes`);
});

test('a dead link is dropped within 15 s and opened again', async () => {
  const { time, link, links, frames } = page();
  await time.pass(MINUTE);
  link.alive = link.reachable = false;
  await time.pass(15 * SECOND);
  assert.ok(links.some(({ why, detail }) => why === 'lost' && detail === 'no answer'));
  link.alive = link.reachable = true;
  const before = frames();
  await time.pass(6 * SECOND);
  assert.ok(frames() > before);
});

test('further questions do not extend the time for an answer', async () => {
  const { time, link, links, connection } = page();
  await time.pass(SECOND);
  link.alive = false;
  for (let second = 0; second < 8; second += 1) {
    connection.wake();
    await time.pass(SECOND);
  }
  assert.ok(links.some(({ detail }) => detail === 'no answer'));
});

test('a machine that was suspended does not request smaller frames', async () => {
  const { time, link, connection } = page();
  await time.pass(MINUTE);
  link.alive = false;
  connection.wake();
  time.suspend(10 * MINUTE);
  await time.pass(100);
  link.alive = true;
  await time.pass(SECOND);
  assert.equal(link.sockets.length, 2);
  assert.deepEqual(link.newest.widths, [WIDTH]);
});

test('a connection attempt without an answer ends after 5 s', async () => {
  const { time, links } = page({ reachable: false });
  await time.pass(5 * SECOND + 1);
  assert.ok(links.some(({ why }) => why === 'unreachable'));
});

test('a network that returns after 40 s is noticed within 10 s', async () => {
  const { time, link, frames } = page({ reachable: false });
  await time.pass(40 * SECOND);
  link.reachable = true;
  await time.pass(10 * SECOND);
  assert.ok(frames() > 0, `${link.sockets.length} attempts`);
});

test('a link on which connecting takes 12 s is connected in the end', async () => {
  const { time, link, frames } = page({ connectTime: 12 * SECOND });
  await time.pass(2 * MINUTE);
  assert.ok(frames() > 0, `${link.sockets.length} attempts`);
});

test('waking restarts an old connection attempt, and leaves a recent one alone', async () => {
  const { time, link, connection, frames } = page();
  link.reachable = false;
  await time.pass(500);
  connection.wake();
  assert.equal(link.sockets.length, 1);
  await time.pass(1000);
  link.reachable = true;
  connection.wake();
  assert.equal(link.sockets.length, 2);
  await time.pass(SECOND);
  assert.ok(frames() > 0);
});

test('waking does not wait for the reason of a refusal', async () => {
  const { time, link, connection } = page();
  globalThis.fetch = () => new Promise(() => {});
  link.reachable = false;
  await time.pass(6 * SECOND);
  connection.wake();
  assert.equal(link.sockets.length, 2);
});
