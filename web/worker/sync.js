// All tiles at one instant, in the worker: in step with each other, or paused, and then step by step through the last
// seconds. Decides for every frame that comes whether it is shown, waits, or is kept; fetched once the first player is
// there.
//
// What waits is encoded, and stands in the history, whose bounds are its bounds; decoded is only what is due within
// `Player.lead`, at most two of each tile.

import { PlayoutDelay, MAX_DELAY } from './playout-delay.js';
import { History, maxBytes, SPAN } from './history.js';

/** @typedef {import('./player.js').Player} Player */
/** @typedef {import('./arrivals.js').Arrival} Arrival */

/**
 * What the page is reported. `behind`: how old everything is, in milliseconds. `at`: the instant that is looked at, in
 * microseconds of the relay's clock; `back`: how long that is before the one at which it was paused, in seconds.
 * @typedef {{ synced: boolean, paused: boolean, behind: number | null, at: number | null, back: number }} Mode
 */

/** A clip begins this long before the instant that is looked at, in microseconds: what led to it is part of it. */
const BEFORE_CURSOR = 5_000_000;
/** A frame that waits is looked at again this often, in milliseconds, because the relay's clock may turn out to be another. */
const RECHECK_EVERY = 250;

export class Sync {
  synced = false;
  paused = false;
  /** @type {History<Arrival>} */
  #history;
  #delay = new PlayoutDelay();
  /** What waits until it is due, and how to call that off. @type {Map<Arrival, { player: Player, cancel: () => void }>} */
  #waiting = new Map();
  /** The newest of each tile since it was paused: where it goes on. @type {Map<number, Arrival>} */
  #newest = new Map();
  /** What a paused tile was last reported to show. @type {Map<number, Arrival>} */
  #requested = new Map();
  /** @type {number | null} */
  #pausedAt = null;
  /** @type {number | null} */
  #cursor = null;

  /**
   * @param {{ now: () => number, offset: () => number | null, after: (time: number, act: () => void) => () => void,
   *   players: ReadonlyMap<number, Player>, memory?: number }} env times in milliseconds; `memory` in GiB
   */
  constructor(env) {
    this.env = env;
    this.#history = new History({ bytes: maxBytes(env.memory) });
  }

  /** @returns {Mode} */
  get mode() {
    const { synced, paused } = this;
    const back = Math.max(0, (this.#pausedAt ?? 0) - (this.#cursor ?? 0)) / 1e6;
    return { synced, paused, behind: synced ? this.#delay.value : null, at: paused ? this.#cursor : null, back };
  }

  /** Whether a tile is too late to be in step with the others. @param {number} id */
  excludes(id) {
    return this.synced && this.#delay.excludes(id);
  }

  /**
   * For how long a frame has to wait until its player is as old as all others, in milliseconds: no longer than
   * `MAX_DELAY` since it arrived, whatever the clocks say.
   * @param {Player} player @param {Arrival} arrival
   */
  timeUntilDue(player, { frame, arrivedAt }) {
    const offset = this.env.offset();
    const { value: delay } = this.#delay;
    // A tile that never showed anything shows the first that comes.
    if (!this.synced || this.paused || offset === null || delay === null) return 0;
    if (this.#delay.excludes(player.id) || player.capturedAt === null) return 0;
    const now = this.env.now();
    return Math.min(frame.capturedAt / 1000 - offset + delay - now, arrivedAt + MAX_DELAY - now);
  }

  /** @param {Player} player @param {Arrival} arrival */
  receive(player, arrival) {
    this.#measure(player, arrival);
    if (this.paused && player.capturedAt !== null) {
      player.acknowledge(arrival);
      // It may lie here for long, which is no leg of its journey.
      this.#newest.set(player.id, { ...arrival, journey: null });
    } else this.#store(player, arrival);
  }

  /** Now and then: follows the ages of the tiles. */
  update() {
    if (this.synced && !this.paused) this.#delay.update(this.env.now());
  }

  /** @param {boolean} synced @param {boolean} paused */
  setMode(synced, paused) {
    if (synced !== this.synced) this.#setSynced(synced);
    if (paused && !this.paused) this.#pause();
    else if (!paused && this.paused) this.#resume();
  }

  /** By a frame on or back, of whichever tile has the next. @param {number} by 1 or -1 */
  step(by) {
    if (this.#cursor === null || this.#pausedAt === null) return;
    const instant = this.#history.step(this.#cursor, by);
    if (instant === null || instant < this.#pausedAt - SPAN) return;
    this.#cursor = instant;
    for (const id of this.#history.ids) this.#showAt(id, instant);
  }

  /** By so many seconds on or back. @param {number} seconds */
  jump(seconds) {
    if (this.#cursor !== null && this.#pausedAt !== null) this.seek((this.#pausedAt - this.#cursor) / 1e6 - seconds);
  }

  /**
   * To what was so many seconds before the moment at which it was paused. While a tile is dragged it goes ahead alone, so
   * that it follows the finger; the others come when that is done.
   * @param {number} back in seconds @param {number | null} [id] the tile that is dragged
   */
  seek(back, id = null) {
    if (this.#pausedAt === null) return;
    const ids = id === null ? [...this.#history.ids] : [id];
    const begun = ids.map((id) => this.#history.startOf(id) ?? Infinity);
    const instant = Math.min(this.#pausedAt, Math.max(Math.min(...begun), this.#pausedAt - SPAN, this.#pausedAt - back * 1e6));
    // Between two frames a step back would lead to the one that is shown already.
    const shown = ids.map((id) => this.#history.at(id, instant)?.frame.capturedAt ?? -Infinity);
    this.#cursor = Math.max(...shown.filter((at) => at <= instant), this.#pausedAt - SPAN);
    for (const id of ids) this.#showAt(id, instant);
  }

  /**
   * Returns what can be saved of a tile: the last 30 s, or, where the wall was dragged back, from 5 s before the instant
   * that is looked at. `cursor` is that instant, `cut` whether there was room for less than that.
   * @param {number} id @returns {{ frames: Arrival['frame'][], cursor: number, truncated: boolean }}
   */
  clip(id) {
    const looksBack = this.#cursor !== null && this.#pausedAt !== null && this.#cursor < this.#pausedAt;
    const cursor = looksBack ? (this.#cursor ?? Infinity) : Infinity;
    const frames = this.#history.since(id, looksBack ? cursor - BEFORE_CURSOR : -Infinity).map(({ frame }) => frame);
    return { frames, cursor, truncated: this.#history.wasTruncated(id) };
  }

  /** @param {number} id */
  forget(id) {
    for (const [arrival, { player, cancel }] of this.#waiting) {
      if (player.id !== id) continue;
      cancel();
      this.#waiting.delete(arrival);
    }
    this.#history.forget(id);
    this.#delay.forget(id);
    this.#newest.delete(id);
    this.#requested.delete(id);
  }

  /** What the wall shows. Younger frames are still to be shown. */
  #instant() {
    const offset = this.env.offset();
    const { value: delay } = this.#delay;
    if (!this.synced || offset === null || delay === null) return Infinity;
    return (this.env.now() + offset - delay) * 1000;
  }

  /** @param {Player} player @param {Arrival} arrival */
  #measure(player, { frame, first }) {
    const offset = this.env.offset();
    // The first one is the newest that the relay held, and as old as it happens to be.
    if (offset === null || first) return;
    const now = this.env.now();
    this.#delay.add(player.id, now + offset - frame.capturedAt / 1000 + player.lead, now);
  }

  /** @param {Player} player @param {Arrival} arrival */
  #store(player, arrival) {
    const kept = this.#history.add(player.id, arrival, this.#instant()) || this.#storeGop(player.id, arrival);
    // A frame for which there is no room is one less to show; those that wait already are older, and come first. A delta
    // is needed all the same.
    if (!kept && arrival.frame.keyframe) player.drop(arrival);
    else this.#schedule(player, arrival);
  }

  /** With all of its GOP, of which the history has nothing yet. @param {number} id @param {Arrival} arrival */
  #storeGop(id, arrival) {
    if (!arrival.gop || this.#history.newest(id)?.gop === arrival.gop) return false;
    const path = arrival.gop.path(null, arrival) ?? [];
    return path.length > 0 && path.every((each) => this.#history.add(id, each, this.#instant()));
  }

  /** @param {Player} player @param {Arrival} arrival */
  #schedule(player, arrival) {
    const wait = this.timeUntilDue(player, arrival) - player.lead;
    if (wait <= 0) {
      player.show(arrival);
      return;
    }
    // To wait for the others must not look like a slow tab; one whose decoders are busy is slow.
    if (!player.busy) player.acknowledge(arrival);
    this.#wait(player, arrival, wait);
  }

  /** @param {Player} player @param {Arrival} arrival @param {number} wait */
  #wait(player, arrival, wait) {
    const cancel = this.env.after(Math.min(wait, RECHECK_EVERY), () => {
      this.#waiting.delete(arrival);
      const more = this.timeUntilDue(player, arrival) - player.lead;
      if (more > 1) this.#wait(player, arrival, more);
      else player.show(arrival, this.env.now() - arrival.arrivedAt);
    });
    this.#waiting.set(arrival, { player, cancel });
  }

  /** Nothing waits any longer. */
  #release() {
    for (const [arrival, { player, cancel }] of this.#waiting) {
      cancel();
      player.acknowledge(arrival);
    }
    this.#waiting.clear();
  }

  /** @param {boolean} synced */
  #setSynced(synced) {
    this.synced = synced;
    this.#delay.reset();
    this.update();
    for (const player of this.env.players.values()) player.expectGap();
    if (synced || this.paused) return;
    this.#release();
    for (const id of this.#history.ids) this.#showAt(id, Infinity);
    this.#requested.clear();
  }

  #pause() {
    this.paused = true;
    this.#release();
    const shown = [...this.env.players.values()].map(({ capturedAt }) => capturedAt ?? -Infinity);
    const newest = Math.max(...shown);
    this.#pausedAt = this.#cursor = Number.isFinite(newest) ? newest : null;
    for (const player of this.env.players.values()) player.setPaused(true);
  }

  #resume() {
    this.paused = false;
    this.#requested.clear();
    this.#pausedAt = this.#cursor = null;
    this.#delay.reset();
    this.update();
    for (const player of this.env.players.values()) player.setPaused(false);
    for (const id of this.#history.ids) if (!this.#newest.has(id)) this.#showAt(id, Infinity);
    for (const [id, arrival] of this.#newest) {
      const player = this.env.players.get(id);
      if (player) this.#store(player, arrival);
    }
    this.#newest.clear();
    this.#requested.clear();
  }

  /** @param {number} id @param {number} instant */
  #showAt(id, instant) {
    const player = this.env.players.get(id);
    const kept = this.#history.at(id, instant);
    const shown = this.#requested.get(id)?.frame.capturedAt ?? player?.capturedAt;
    if (!player || !kept || kept.frame.capturedAt === shown) return;
    this.#requested.set(id, kept);
    // Its journey was reported already, or is over: nobody measures how long it lay here.
    player.show({ ...kept, journey: null });
  }
}
