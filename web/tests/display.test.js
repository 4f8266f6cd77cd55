import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Display } from '../worker/display.js';

/** Sets up a display whose screen shows a frame when the test says so. The relay's clock is 1 s ahead. */
function setUp() {
  let now = 1_700_000_000_000;
  /** @type {(() => void)[]} */
  let waiting = [];
  const display = new Display({
    now: () => now,
    offset: () => 1000,
    onPaint: () => {},
    onNextScreenFrame: (act) => void waiting.push(act),
  });
  display.paintWith(() => {});
  return {
    stats: () => display.stats(now),
    pass: (/** @type {number} */ time) => (now += time),
    /** Paints a frame of this age, in milliseconds. @param {number} age */
    show(age) {
      const frame = /** @type {import('../shared/protocol.js').Frame} */ ({ codec: 'jpeg', sequence: 1n, capturedAt: (now + 1000 - age) * 1000 });
      const image = /** @type {ImageBitmap} */ (/** @type {unknown} */ ({ width: 4, height: 3 }));
      display.show(image, frame, { paused: false, starting: false });
    },
    screen() {
      const due = waiting;
      waiting = [];
      for (const act of due) act();
    },
  };
}

test('the age of a frame ends when the screen shows it', () => {
  const { show, pass, screen, stats } = setUp();
  show(40);
  assert.equal(stats().age, 40, 'until the screen shows it');
  pass(12);
  screen();
  assert.deepEqual([stats().age, stats().calmAge], [52, 52]);
  pass(500);
  assert.equal(stats().age, 52);
});

test('a frame that is painted over before the screen shows it has no age', () => {
  const { show, pass, screen, stats } = setUp();
  show(400);
  pass(10);
  show(30);
  pass(6);
  screen();
  assert.equal(stats().calmAge, 36);
});

test('a screen that shows nothing for long delays no age', () => {
  const { show, pass, stats } = setUp();
  show(40);
  for (let frame = 0; frame < 20; frame += 1) {
    pass(100);
    show(70);
  }
  assert.equal(stats().calmAge, 70);
});
