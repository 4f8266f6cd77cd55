import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Connection } from '../connection.js';

/** A socket that does what the test says, and nothing else. */
class Socket {
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];
  readyState = 0;
  /** @type {(() => void) | null} */
  onopen = null;
  closed = false;

  constructor() {
    Socket.all.push(this);
  }

  close() {
    this.closed = true;
  }

  send() {}
}

/** @type {{ due: number, act: () => void }[]} */
let timers = [];
let now = 0;
const real = { WebSocket: globalThis.WebSocket, setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, fetch: globalThis.fetch };

beforeEach(() => {
  Object.assign(globalThis, {
    WebSocket: Socket,
    setTimeout: (/** @type {() => void} */ act, /** @type {number} */ time) => {
      const timer = { due: now + time, act };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (/** @type {unknown} */ timer) => (timers = timers.filter((one) => one !== timer)),
    fetch: () => Promise.reject(new Error('no answer')),
  });
  [Socket.all, timers, now] = [[], [], 0];
});
afterEach(() => void Object.assign(globalThis, real));

/** Lets time pass, and what is due in it happen. @param {number} time */
async function pass(time) {
  const until = now + time;
  for (;;) {
    const next = timers.filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0];
    if (!next) break;
    timers = timers.filter((one) => one !== next);
    now = next.due;
    next.act();
    await new Promise((done) => setImmediate(done));
  }
  now = until;
}

function connect() {
  /** @type {string[]} */
  const phases = [];
  const connection = new Connection({
    now: () => now,
    onOpen: () => {},
    onLink: ({ phase, why }) => phases.push(`${phase} ${why}`.trim()),
    onMessage: () => {},
    onFrame: () => {},
  });
  connection.open({ socket: 'ws://relay.test/ws', probe: 'http://relay.test/api/streams' });
  return phases;
}

test('a socket that never opens is given up after ten seconds, and another one is tried', async () => {
  const phases = connect();
  await pass(9_900);
  assert.deepEqual([phases, Socket.all.length], [['connecting'], 1]);
  await pass(200);
  assert.equal(Socket.all[0]?.closed, true);
  assert.deepEqual(phases, ['connecting', 'down unreachable']);
  await pass(10_000);
  assert.ok(Socket.all.length >= 2 && phases.includes('connecting', 1), phases.join());
});

test('a socket that opens in time stays, and one that falls silent after that is given up', async () => {
  const phases = connect();
  await pass(9_000);
  const [socket] = Socket.all;
  assert.ok(socket);
  socket.readyState = Socket.OPEN;
  socket.onopen?.();
  await pass(4_900);
  assert.deepEqual([phases.at(-1), socket.closed], ['open', false]);
  await pass(10_000);
  assert.ok(phases.includes('down lost') && socket.closed, phases.join());
});
