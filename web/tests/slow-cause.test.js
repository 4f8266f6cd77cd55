import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causeOf, mainCause, moreCertain } from '../page/slow-cause.js';
import { LoopLag, NetworkDelay } from '../worker/slow-evidence.js';

const CALM = { network: 2, lag: 1 };

test('a decoder that is always busy means a slow device, even on a slow network', () => {
  assert.equal(causeOf(0.95, CALM), 'device');
  assert.equal(causeOf(0.95, { network: 300, lag: 0 }), 'device');
});

test('frames that take long on the network mean a slow connection', () => {
  assert.equal(causeOf(0.3, { network: 120, lag: 4 }), 'link');
});

test('without evidence the cause is unknown', () => {
  assert.equal(causeOf(0.3, CALM), 'unknown');
  assert.equal(causeOf(0, { network: null, lag: 0 }), 'unknown');
});

test('a delay that a busy event loop explains is not blamed on the connection', () => {
  assert.equal(causeOf(0.5, { network: 120, lag: 90 }), 'unknown');
});

test('a narrow link delays every frame', () => {
  const delay = new NetworkDelay();
  for (let frame = 0; frame < 20; frame += 1) delay.add(80 + (frame % 4) * 10, frame * 100);
  assert.equal(delay.usual(2000), 90, 'fifteen of twenty took as long');
});

test('a stall of the browser delays only some frames', () => {
  const delay = new NetworkDelay();
  for (let frame = 0; frame < 20; frame += 1) delay.add(frame < 10 ? 300 - frame * 30 : 1, frame * 100);
  assert.equal(delay.usual(2000), 1);
});

test('few or old frames prove nothing', () => {
  const delay = new NetworkDelay();
  for (let frame = 0; frame < 4; frame += 1) delay.add(90, frame * 100);
  assert.equal(delay.usual(400), null);
  delay.add(90, 400);
  assert.equal(delay.usual(400), 90);
  assert.equal(delay.usual(10_000), null, 'what was slow is not slow for ever');
  for (let frame = 0; frame < 5; frame += 1) delay.add(90, 20_000);
  delay.reset();
  assert.equal(delay.usual(20_000), null);
});

test('the lag of the event loop is the delay of its timer, and is forgotten', () => {
  const lag = new LoopLag(100);
  for (const at of [0, 100, 350, 450]) lag.tick(at);
  assert.equal(lag.longest(450), 150);
  assert.equal(lag.longest(1000), 450, 'the timer is overdue right now');
  for (let at = 1000; at <= 4000; at += 100) lag.tick(at);
  assert.equal(lag.longest(4000), 0);
});

test('the known cause is named for a wall, and a known cause stays', () => {
  assert.equal(mainCause([null, 'unknown', 'device', 'link']), 'link');
  assert.equal(mainCause([null, 'unknown', 'device']), 'device');
  assert.equal(mainCause([null, 'unknown']), 'unknown');
  assert.equal(mainCause([null]), null);
  assert.equal(moreCertain('unknown', 'link'), 'link');
  assert.equal(moreCertain('device', 'link'), 'device');
  assert.equal(moreCertain('device', null), 'device');
});
