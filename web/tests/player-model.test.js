import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Player } from '../worker/player.js';
import { Sync } from '../worker/sync.js';
import { CALM, Chaos, randomFrom } from './chaotic-decoder.js';
import { delta, keyframe } from './fake-decoder.js';
import { VirtualTime } from './virtual-time.js';

// A model of everything that can happen to a tile: in every case each frame is done in bounded time, and the tile paints again.

const SECOND = 1000;
/** A frame waits for a stuck decoder, then for its own stuck decoding: 2.5 s each, and up to 2 s for sync before that. */
const MAX_UNTIL_DONE = 7_000;
/** The longest pause of JPEG decoders, and one attempt. */
const MAX_DARK = 32_500;
const TRIAL = 40 * SECOND;
/** More trials find rarer states: 800 take half a minute. */
const TRIALS = Number(process.env.FANLIGHT_TRIALS ?? 40);

/** A tile, the relay that sends to it, and all faults between them. @param {number} seed */
class Trial {
  time = new VirtualTime();
  codec = /** @type {'jpeg' | 'h264'} */ ('jpeg');
  /** The longest time until a frame was done, in milliseconds. */
  longest = 0;
  #relay = 0;
  #measured = 0;
  #sequence = 0n;
  #sinceKeyframe = Infinity;
  /** Frames that are not done, with their arrival times. @type {Map<bigint, number>} */
  #open = new Map();

  /** @param {number} seed */
  constructor(seed) {
    this.random = randomFrom(seed);
    this.chaos = new Chaos(this.time, this.random);
    const env = { now: this.time.now, after: this.time.after, offset: () => this.#measured };
    /** @type {Map<number, Player>} */
    const players = new Map();
    this.sync = new Sync({ ...env, players });
    /** @type {Player} */
    this.player = new Player(1, {
      ...env,
      decode: this.chaos.decode,
      platform: this.chaos.platform(),
      timeUntilDue: (arrival) => this.sync.timeUntilDue(this.player, arrival),
      onPaint: () => {},
      onKeyframeNeeded: () => (this.#sinceKeyframe = Infinity),
      onAcknowledge: (reached) => this.#done(reached),
    });
    players.set(1, this.player);
    this.player.paintWith(() => {});
  }

  /** @param {bigint} reached */
  #done(reached) {
    for (const [sequence, at] of this.#open) {
      if (sequence > reached) continue;
      this.longest = Math.max(this.longest, this.time.now() - at);
      this.#open.delete(sequence);
    }
  }

  /** The longest wait of a frame that is not done. */
  get waiting() {
    return Math.max(0, ...[...this.#open.values()].map((at) => this.time.now() - at));
  }

  /** Receives one frame, then lets time pass. @param {number} interval in milliseconds */
  async step(interval) {
    this.#sequence += 1n;
    const { codec } = this;
    const key = codec === 'jpeg' || this.#sinceKeyframe >= 20;
    this.#sinceKeyframe = key ? 0 : this.#sinceKeyframe + 1;
    const capturedAt = (this.time.now() + this.#relay - 20) * 1000;
    const payload = key ? keyframe(1) : delta(1);
    this.#open.set(this.#sequence, this.time.now());
    const arrival = this.player.receive({ codec, keyframe: key, rendition: 0, id: 1, sequence: this.#sequence, capturedAt, sentAt: 0, payload });
    this.sync.update();
    if (arrival) this.sync.receive(this.player, arrival);
    await this.time.pass(interval);
  }

  /** Causes a random event. */
  disturb() {
    const at = this.random();
    if (at < 0.02) this.#change(this.random() < 0.5 ? 'jpeg' : 'h264');
    else if (at < 0.04) this.sync.setMode(this.random() < 0.7, false);
    else if (at < 0.05) this.#relay += (this.random() - 0.5) * 20 * 60 * SECOND;
    else if (at < 0.08) this.#measured = this.#relay;
    else if (at < 0.085) this.#suspend(this.random() * 10 * 60 * SECOND);
    else if (at < 0.13) this.#lose();
    else if (at < 0.15) this.#calmOrNot();
  }

  /** The decoders work from now on. The measured clock may still be wrong. */
  heal() {
    this.chaos.mood = CALM;
  }

  /** Starts another track. @param {'jpeg' | 'h264'} codec */
  #change(codec) {
    this.codec = codec;
    this.player.restartTrack();
    this.#open.clear();
    this.#sinceKeyframe = Infinity;
  }

  /** The waits do not count the time of the suspend. @param {number} time */
  #suspend(time) {
    this.time.suspend(time);
    for (const [sequence, at] of this.#open) this.#open.set(sequence, at + time);
  }

  /** Loses frames, which may include keyframes. */
  #lose() {
    this.#sequence += BigInt(Math.ceil(this.random() * 30));
    this.#sinceKeyframe = this.random() < 0.5 ? 0 : this.#sinceKeyframe;
  }

  #calmOrNot() {
    const { random } = this;
    const worst = { hang: random() * 0.3, fail: random() * 0.2, lose: random() * 0.2, slowest: random() * 800 };
    this.chaos.mood = random() < 0.3 ? CALM : worst;
  }
}

/** @param {number} seed */
async function play(seed) {
  const trial = new Trial(seed);
  const { time, random } = trial;
  const end = time.now() + TRIAL;
  for (let longest = 0; time.now() < end; ) {
    trial.disturb();
    await trial.step(10 + random() * 190);
    longest = Math.max(longest, trial.waiting);
    assert.ok(longest <= MAX_UNTIL_DONE, `seed ${seed}: a frame waited for ${longest} ms`);
  }
  trial.heal();
  const healed = time.now();
  const painted = () => trial.player.stats(time.now()).paintedAt > healed;
  for (let dark = 0; !painted(); dark = time.now() - healed) {
    assert.ok(dark <= MAX_DARK, `seed ${seed}: nothing painted for ${dark} ms`);
    await trial.step(100);
  }
  return { longest: trial.longest, dark: time.now() - healed };
}

test('with any faults of decoders, clocks and links, every frame is done and a tile paints again', async () => {
  /** @type {{ longest: number, dark: number }[]} */
  const results = [];
  for (let seed = 1; seed <= TRIALS; seed += 1) results.push(await play(seed));
  const most = (/** @type {'longest' | 'dark'} */ what) => Math.round(Math.max(...results.map((result) => result[what])));
  process.stdout.write(`# at most ${most('longest')} ms until a frame was done with, ${most('dark')} ms until a healed tile painted\n`);
});
