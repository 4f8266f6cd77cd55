import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moving, untilMoves, untilStarted, untilState, withMockRelay } from './harness.js';

/** A tab whose decoder finishes only as many frames as a test allows. */
const DECODER = `
  const decode = self.createImageBitmap.bind(self);
  const waiting = [];
  let free = 0;
  const go = () => { while (free > 0 && waiting.length > 0) { free -= 1; waiting.shift()(); } };
  new BroadcastChannel('decoder').onmessage = ({ data }) => { free = data === 0 ? 0 : free + data; go(); };
  self.createImageBitmap = async (blob) => {
    await new Promise((resolve) => { waiting.push(resolve); go(); });
    return decode(blob);
  };
`;
/** Allows this many more frames; 0 stops decoding. @param {import('playwright-core').Page} page @param {number} pictures */
const letDecode = (page, pictures) =>
  page.evaluate((pictures) => new BroadcastChannel('decoder').postMessage(pictures), pictures);

/** @param {import('../mock-relay.js').MockRelay} relay */
const acks = (relay) => relay.received.filter(({ type }) => type === 'ack').map(({ sequence }) => sequence);

test('every displayed frame is acknowledged, in order, and none twice', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  const watch = await relay.waitForMessage(({ type }) => type === 'watch');
  assert.equal(watch.ack, true);
  await relay.until(() => acks(relay).length >= 8);
  const said = acks(relay);
  assert.deepEqual(said, [...new Set(said)].sort((a, b) => a - b));
  assert.ok(relay.received.every(({ type, id }) => type !== 'ack' || id === watch.id));
}));

test('a frame that cannot be decoded is acknowledged too', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  const page = await open();
  await untilMoves(page, 'door');
  stream.broken = true;
  const from = stream.sequence;
  await relay.until(() => acks(relay).some((sequence) => sequence >= from + 4));
  stream.broken = false;
  await untilMoves(page, 'door');
}));

test('a tab that decodes slowly acknowledges slowly, but not while it starts', withMockRelay(async ({ relay, open }) => {
  const stream = relay.add('door', moving());
  relay.before.set('/worker/main.js', DECODER);
  const page = await open();
  // The decoder of the page exists only after its request.
  await relay.waitForMessage(({ type }) => type === 'watch');
  await relay.until(() => acks(relay).length >= 10);
  assert.equal(await page.getAttribute('.tile', 'data-sequence'), null, 'nothing is painted yet');
  await letDecode(page, 1000);
  await untilMoves(page, 'door');
  await untilStarted(page, 'door');
  await letDecode(page, 0);
  for (const pictures of [0, 1]) {
    if (pictures > 0) await letDecode(page, pictures);
    // Frames that are being decoded may finish, and those from the start are acknowledged.
    const before = stream.sequence;
    await relay.until(() => stream.sequence >= before + 3);
    const reported = acks(relay).length;
    // Both rounds end before a decoder counts as stuck, which would drop its frame.
    await relay.until(() => stream.sequence >= before + 8);
    assert.equal(acks(relay).length, reported, 'five frames came, none was painted');
  }
  const from = stream.sequence;
  await letDecode(page, 1000);
  await relay.until(() => acks(relay).some((sequence) => sequence >= from));
  await untilMoves(page, 'door');
}));

test('frames of an ended subscription are not acknowledged', withMockRelay(async ({ relay, open }) => {
  relay.add('door', moving());
  const page = await open('', {}, "Object.defineProperty(document, 'hidden', { get: () => globalThis.away === true })");
  await untilMoves(page, 'door');
  const look = (/** @type {boolean} */ away) =>
    page.evaluate((away) => {
      Object.assign(globalThis, { away });
      document.dispatchEvent(new Event('visibilitychange'));
    }, away);
  await look(true);
  const { id } = await relay.waitForMessage(({ type }) => type === 'unwatch');
  relay.sendUnrequested('door', id, 999_999);
  await untilState(page, 'door', 'idle');
  await look(false);
  await untilMoves(page, 'door');
  const again = relay.received.map(({ type }) => type).lastIndexOf('watch');
  await relay.until(() => relay.received.slice(again).some(({ type }) => type === 'ack'));
  assert.ok(!acks(relay).includes(999_999));
}));
