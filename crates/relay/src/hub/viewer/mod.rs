//! One subscription: a viewer's place at a track, and what it was sent. A change to another track is in [`switch`].

pub mod slow_detector;
mod switch;

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::cursor::Cursor;
use super::ring::{MAX_GOP, Pick, Step, Turn};
use super::{Frame, Stream, Track};
use crate::stats::closes::CloseReason;
use crate::stats::counters::{Counters, DropReason, Outgoing, Transport};
use slow_detector::SlowDetector;
use switch::PendingSwitch;

/// So long without a picture, though there were newer ones, is a freeze: people see it.
const FREEZE: Duration = Duration::from_millis(200);

/// A frame that waited longer than this for link or viewer is late: at 30 a second the next one has come meanwhile.
const LATE: Duration = Duration::from_millis(35);

/// A viewer that was stuck is reported so for this long.
const REPORTED: Duration = Duration::from_secs(3);

/// One viewer alone, whose decoder fails again and again, must not have everybody sent keyframes: for it one is wished for
/// no more often than this.
const FAILS_EVERY: Duration = Duration::from_secs(5);
/// Frames of a GOP may be late by this much before it is more than what a keyframe holds up on a narrow link.
const FAR_BEHIND: Duration = Duration::from_millis(250);

/// What a viewer gets.
#[derive(Debug)]
pub enum Next {
    /// This frame, now; and whether there are newer ones already.
    Frame(Arc<Frame>, Newer),
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing until its waker rings.
    Nothing,
}

/// Whether there are newer frames than one.
pub type Newer = bool;

/// How a viewer wants its stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ViewOptions {
    /// At most so many frames a second; all where it is absent.
    pub fps: Option<f64>,
    /// Every frame, so long after it came; the newest where it is zero. At most [`MAX_BUFFER`](super::ring::MAX_BUFFER).
    pub behind: Duration,
}

/// What a viewer was sent so far, and what it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendStats {
    /// Frames sent.
    pub sent: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// Frames not sent because the link or the viewer had to be waited for.
    pub dropped: u64,
    /// Frames sent, but more than 35 ms late because of that. Those of GOPs are not among them: a keyframe holds up what
    /// comes after it on any link that is not far too wide.
    pub late: u64,
    /// Frames of GOPs that were more than 35 ms late.
    pub queued: u64,
    /// Frames of GOPs that were more than 250 ms late: more than a keyframe accounts for.
    pub behind: u64,
}

impl AddAssign for SendStats {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.late += other.late;
        self.queued += other.queued;
        self.behind += other.behind;
    }
}

/// One subscription: a cursor at a track, and the right to be woken when there is more.
#[derive(Debug)]
pub struct Viewer {
    stream: Arc<Stream>,
    cursor: Cursor,
    /// At the track of another rendition, until a frame comes there with which it can go on.
    next_seat: Option<Box<PendingSwitch>>,
    transport: Transport,
    pace: SlowDetector,
    /// The shortest time between two frames, in microseconds, where the viewer asked for fewer.
    interval: u64,
    next_due: Timestamp,
    /// Since when it watches its stream.
    since: Timestamp,
    /// When it was sent something last.
    last_sent: Option<Timestamp>,
    /// What that was.
    last: Last,
    /// What it waited for since.
    held: DropReason,
    tally: SendStats,
    /// How often it went on with another rendition.
    switches: u32,
    /// When a keyframe was wished for last because it could not decode.
    failed_at: Option<Timestamp>,
    stuck_at: Option<Timestamp>,
}

/// The frame that was sent last.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    captured_at: Timestamp,
    pixels: u64,
}

impl Viewer {
    pub(super) fn new(
        stream: Arc<Stream>,
        cursor: Cursor,
        transport: Transport,
        manner: ViewOptions,
        now: Timestamp,
    ) -> Self {
        stream.traffic.over(transport).join();
        Self {
            stream,
            cursor,
            next_seat: None,
            transport,
            pace: SlowDetector::default(),
            interval: interval(manner),
            next_due: Timestamp::default(),
            since: now,
            last_sent: None,
            last: Last::default(),
            held: DropReason::Relay,
            tally: SendStats::default(),
            switches: 0,
            failed_at: None,
            stuck_at: None,
        }
    }

    /// Its stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Its track.
    pub fn track(&self) -> &Arc<Track> {
        self.cursor.track()
    }

    /// What it was sent so far, and what it was not: also what it would be sent if that could be decoded by now.
    pub fn tally(&self, now: Timestamp) -> SendStats {
        let forgone = match self.last_sent.is_some() && self.held.is_far_side() {
            true => self.cursor.forgone(self.pick(), now),
            false => 0,
        };
        SendStats { dropped: self.tally.dropped + forgone, ..self.tally }
    }

    /// Whether it is sent deltas too.
    pub fn has_deltas(&self) -> bool {
        self.cursor.track().has_deltas()
    }

    /// Whether what is sent next is not to be seen, but needed to decode what follows it.
    pub fn is_catching_up(&self, now: Timestamp) -> bool {
        self.cursor.is_catching_up(now)
    }

    /// Whether it has to catch up because it was held up, and not because it began with a GOP held.
    pub fn was_held_up(&self) -> bool {
        self.cursor.was_held_up()
    }

    /// It will not catch up with what it is too late for by now: it goes on at a keyframe.
    pub fn give_up(&mut self, now: Timestamp) {
        if self.last_sent.is_some() && matches!(self.cursor.step(self.pick(), now), Turn::Nothing) {
            self.cursor.give_up();
        }
    }

    /// It cannot decode what it was sent: it goes on at a keyframe, which is wished for.
    pub fn fail(&mut self, now: Timestamp) {
        let track = self.cursor.track();
        if !track.has_deltas() {
            return;
        }
        if self.failed_at.is_none_or(|at| now.since(at) >= FAILS_EVERY) {
            self.failed_at = Some(now);
            track.wish_for_keyframe();
        }
        self.cursor.break_off();
        self.held = DropReason::Keyframe;
    }

    /// How often it went on with another rendition.
    pub fn switches(&self) -> u32 {
        self.switches
    }

    /// Frames a second that it asked for, where it asked for fewer than there are.
    pub fn fps(&self) -> Option<f64> {
        (self.interval > 0).then(|| 1e6 / self.interval as f64)
    }

    /// When it was sent something last.
    pub fn last_sent(&self) -> Option<Timestamp> {
        self.last_sent
    }

    /// From now on it wants its stream so.
    pub fn change_manner(&mut self, manner: ViewOptions) {
        self.interval = interval(manner);
        self.cursor.stay_behind(manner.behind);
        if let Some(next) = &mut self.next_seat {
            next.cursor.stay_behind(manner.behind);
        }
    }

    /// Since when this viewer gets fewer frames than there are, because its link or machine is too slow.
    pub fn slow_since(&self) -> Option<Timestamp> {
        self.pace.slow_since()
    }

    /// Whether there is a frame that it is to have now, were it not for its link.
    pub fn is_owed(&self, now: Timestamp) -> bool {
        let due = |frame: &Frame| {
            self.interval == 0 || frame.captured_at.offset(self.tolerance()) >= self.next_due
        };
        let step = self.cursor.step(self.pick(), now);
        matches!(step, Turn::Frame(step) if due(&step.frame)) && !self.waits_for_the_next_seat(now)
    }

    /// A frame that it was owed was held back for longer than promised: a fault of the relay, which is counted.
    pub fn get_stuck(&mut self, now: Timestamp) {
        self.stuck_at = Some(now);
        self.counters().get_stuck();
    }

    /// Returns when it was stuck, if that was a moment ago.
    pub fn stuck_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.stuck_at.filter(|at| now.since(*at) < REPORTED)
    }

    /// What this viewer has to wait for: frames passed over meanwhile are counted under it.
    pub fn hold(&mut self, held: DropReason) {
        self.held = held;
    }

    /// What is sent next, at `now` by our clock. What it passes over is counted.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.next_seat.is_some()
            && let Some(until) = self.change_seats(now)
        {
            return Next::At(until);
        }
        if self.waits_for_the_next_seat(now) {
            return Next::Nothing;
        }
        loop {
            let step = match self.cursor.step(self.pick(), now) {
                Turn::Frame(step) => step,
                Turn::At(due) => {
                    self.cursor.rest();
                    return Next::At(due);
                }
                Turn::Nothing if self.cursor.hurry(now) => continue,
                Turn::Nothing => return Next::Nothing,
            };
            if self.is_thinned_out(&step.frame) {
                self.cursor.pass(step.place);
                self.counters().drop_frames(DropReason::Wish, step.dropped + 1);
                continue;
            }
            self.count(&step, now);
            self.cursor.go_on(&step, now);
            return Next::Frame(step.frame, step.behind > 0);
        }
    }

    fn pick(&self) -> Pick {
        match self.last_sent {
            // Whoever comes is shown a picture at once, also who wants to stay behind.
            None => Pick::Newest,
            Some(_) if !self.cursor.behind().is_zero() => Pick::Behind(self.cursor.behind()),
            Some(_) if self.is_held_back() => Pick::Newest,
            Some(_) => Pick::InOrder,
        }
    }

    /// Slow, and not because this relay is: what lies before the newest would only make its pictures older.
    fn is_held_back(&self) -> bool {
        self.pace.slow_since().is_some() && self.held != DropReason::Relay
    }

    fn count(&mut self, step: &Step, now: Timestamp) {
        let counters = self.stream.traffic.over(self.transport);
        let frame = &step.frame;
        let age = now.since(frame.captured_at);
        let bytes = frame.payload.len();
        counters.send(Outgoing { bytes, age, places_behind: step.behind });
        let hurries = self.cursor.hurries(step, now);
        // What a late joiner begins with may be as old as it likes.
        if let Some(last_sent) = self.last_sent {
            if step.dropped > 0 {
                counters.drop_frames(self.held, step.dropped);
                if self.interval == 0 && now.since(last_sent) > FREEZE {
                    counters.freeze();
                }
            }
            if !hurries {
                self.judge(step, now);
            } else if self.cursor.was_held_up() && self.held.is_far_side() {
                self.tally.behind += 1;
            }
        }
        self.tally.sent += 1;
        self.tally.bytes += bytes as u64;
        // A GOP that is begun with takes nobody back in time: only its end is seen. A clock that was set back does.
        let earlier = self.last.captured_at.since(step.frame.captured_at);
        let of_gop = self.has_deltas() && earlier <= MAX_GOP;
        let seen = if of_gop { self.last.captured_at } else { Timestamp::default() };
        self.last =
            Last { captured_at: step.frame.captured_at.max(seen), pixels: pixels(&step.frame) };
        self.last_sent = Some(now);
        // Who is to catch up and does not is held up by what made that necessary.
        if !hurries {
            self.held = DropReason::Relay;
        }
    }

    /// Takes in how a frame fared that is to be seen.
    fn judge(&mut self, step: &Step, now: Timestamp) {
        let waited = now.since(step.frame.received_at).saturating_sub(self.cursor.behind());
        let dropped = if self.interval == 0 { step.dropped } else { 0 };
        self.pace.note(now, waited, dropped);
        if !self.held.is_far_side() {
            return;
        }
        self.tally.dropped += dropped.max(self.missed(&step.frame));
        if self.has_deltas() {
            self.tally.queued += u64::from(waited > LATE);
            self.tally.behind += u64::from(waited > FAR_BEHIND);
        } else {
            self.tally.late += u64::from(waited > LATE);
        }
    }

    /// How many frames were due since the last one, where the viewer asked for fewer than there are.
    fn missed(&self, frame: &Frame) -> u64 {
        let since = frame.captured_at.since(self.last.captured_at).as_micros() as u64;
        let due = (since + self.interval / 4).checked_div(self.interval);
        due.unwrap_or(0).saturating_sub(1)
    }

    /// Whether a frame comes too soon for a viewer that asked for fewer. Due times advance by whole intervals, so that
    /// 10 of 30 frames a second are every third and not every fourth.
    fn is_thinned_out(&mut self, frame: &Frame) -> bool {
        if self.interval == 0 {
            return false;
        }
        // A clock that was set back would make everything early for as long.
        if frame.captured_at.offset(2 * self.interval as i64) < self.next_due {
            self.next_due = frame.captured_at;
        }
        // A frame may be a little early and still be the one that is due.
        if frame.captured_at.offset(self.tolerance()) < self.next_due {
            return true;
        }
        let due = self.next_due.offset(self.interval as i64);
        let from_here = frame.captured_at.offset(self.interval as i64 / 2);
        self.next_due = due.max(from_here);
        false
    }

    fn tolerance(&self) -> i64 {
        (self.interval / 4) as i64
    }

    fn counters(&self) -> &Counters {
        self.stream.traffic.over(self.transport)
    }
}

impl Viewer {
    /// Its connection is closed: counted.
    pub fn close(&self, why: CloseReason) {
        self.counters().close(why);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.counters().leave();
    }
}

fn interval(manner: ViewOptions) -> u64 {
    manner.fps.map_or(0, |fps| (1_000_000.0 / fps) as u64)
}

fn pixels(frame: &Frame) -> u64 {
    u64::from(frame.width) * u64::from(frame.height)
}

#[cfg(test)]
mod gops;
#[cfg(test)]
mod tests;
