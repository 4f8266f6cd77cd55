// Playback of the whole wall: live, synced (all tiles show the same instant) or paused (stepped through the last seconds).
// Decides for every received frame whether it is shown, waits or is only stored. Loaded after the first picture.
//
// Waiting frames are encoded and count towards the history's bounds. Only frames due within `Player.lead` are decoded, at
// most two of each tile.

import { History, maxBytes, SPAN } from './history.js';
import { MAX_DELAY, PlayoutDelay } from './playout-delay.js';

/** @typedef {import('./player.js').Player} Player */
/** @typedef {import('./arrivals.js').Arrival} Arrival */
/** @typedef {import('../shared/messages.js').Mode} Mode */

/** A clip starts this long before the displayed instant, in microseconds, so that it shows what led to it. */
const BEFORE_CURSOR = 5_000_000;
/** A waiting frame is checked again at this interval, in milliseconds, because the measured clock may change. */
const RECHECK_EVERY = 250;

export class Sync {
  synced = false;
  paused = false;
  /** @type {History<Arrival>} */
  #history;
  #delay = new PlayoutDelay();
  /** Waiting frames, and how to cancel the wait. @type {Map<Arrival, { player: Player, cancel: () => void }>} */
  #waiting = new Map();
  /** The newest frame of each tile since the pause: playback resumes there. @type {Map<number, Arrival>} */
  #newest = new Map();
  /** The frame that a paused tile was last asked to show. @type {Map<number, Arrival>} */
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

  /** Returns whether a tile is too late to be synced with the others. @param {number} id */
  excludes(id) {
    return this.synced && this.#delay.excludes(id);
  }

  /**
   * Returns how long a frame must wait until it is as old as those of the other tiles, in milliseconds: at most `MAX_DELAY` after
   * it arrived, whatever the clocks say.
   * @param {Player} player @param {Arrival} arrival
   */
  timeUntilDue(player, { frame, arrivedAt }) {
    const offset = this.env.offset();
    const { value: delay } = this.#delay;
    // A tile without a picture shows its first one immediately.
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
      // The time it is stored here is no stage of its latency.
      this.#newest.set(player.id, { ...arrival, journey: null });
    } else this.#store(player, arrival);
  }

  /** Follows the ages of the tiles. Called a few times a second. */
  update() {
    if (this.synced && !this.paused) this.#delay.update(this.env.now());
  }

  /** @param {boolean} synced @param {boolean} paused */
  setMode(synced, paused) {
    if (synced !== this.synced) this.#setSynced(synced);
    if (paused && !this.paused) this.#pause();
    else if (!paused && this.paused) this.#resume();
  }

  /**
   * Steps by one frame of a tile, and the others to the same instant. Without a tile, steps by one frame of whichever has the next.
   * @param {number} by 1 or -1 @param {number | null} [id]
   */
  step(by, id = null) {
    if (this.#cursor === null || this.#pausedAt === null) return;
    // The instant may be a frame of another tile. This one shows an earlier frame then, from which it steps.
    const shown = id === null ? undefined : this.#history.at(id, this.#cursor)?.frame.capturedAt;
    const instant = this.#history.step(shown ?? this.#cursor, by, shown === undefined ? null : id);
    if (instant === null || instant < this.#pausedAt - SPAN) return;
    this.#cursor = instant;
    for (const id of this.#history.ids) this.#showAt(id, instant);
  }

  /** @param {number} seconds forwards; negative for backwards */
  jump(seconds) {
    if (this.#cursor !== null && this.#pausedAt !== null) this.seek((this.#pausedAt - this.#cursor) / 1e6 - seconds);
  }

  /**
   * Shows an instant before the pause. While the viewer drags on one tile only that tile follows, so that it keeps up with the
   * finger. The others follow at the end of the drag.
   * @param {number} back in seconds @param {number | null} [id] the dragged tile
   */
  seek(back, id = null) {
    if (this.#pausedAt === null) return;
    const ids = id === null ? [...this.#history.ids] : [id];
    const begun = ids.map((id) => this.#history.startOf(id) ?? Infinity);
    const instant = Math.min(this.#pausedAt, Math.max(Math.min(...begun), this.#pausedAt - SPAN, this.#pausedAt - back * 1e6));
    // From between two frames, a step back would lead to the displayed one.
    const shown = ids.map((id) => this.#history.at(id, instant)?.frame.capturedAt ?? -Infinity);
    this.#cursor = Math.max(...shown.filter((at) => at <= instant), this.#pausedAt - SPAN);
    for (const id of ids) this.#showAt(id, instant);
  }

  /**
   * Returns the frames to save of a tile: the last 30 s. If the wall was rewound, they start 5 s before the displayed instant.
   * `cursor` is that instant. `truncated` is true if memory limited the history.
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

  /** Returns the instant that the wall shows. Later frames are still to be shown. */
  #instant() {
    const offset = this.env.offset();
    const { value: delay } = this.#delay;
    if (!this.synced || offset === null || delay === null) return Infinity;
    return (this.env.now() + offset - delay) * 1000;
  }

  /** @param {Player} player @param {Arrival} arrival */
  #measure(player, { frame, first }) {
    const offset = this.env.offset();
    // The first frame is the newest one that the relay held, of any age.
    if (offset === null || first) return;
    const now = this.env.now();
    this.#delay.add(player.id, now + offset - frame.capturedAt / 1000 + player.lead, now);
  }

  /** @param {Player} player @param {Arrival} arrival */
  #store(player, arrival) {
    const kept = this.#history.add(player.id, arrival, this.#instant()) || this.#storeGop(player.id, arrival);
    // A keyframe without room is dropped: the waiting ones are older and come first. A delta is needed all the same.
    if (!kept && arrival.frame.keyframe) player.drop(arrival);
    else this.#schedule(player, arrival);
  }

  /** Stores a frame with its whole GOP, of which the history has nothing yet. @param {number} id @param {Arrival} arrival */
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
    // Waiting for the other tiles must not look like a slow tab. A tab with busy decoders is slow.
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

  /** Cancels all waits. */
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
    // Its latency was reported already, or does not matter: it includes the time in the history.
    player.show({ ...kept, journey: null });
  }
}
