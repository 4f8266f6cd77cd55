//! One subscription.

use std::cmp::Ordering;
use std::mem;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{Timestamp, TrackName};

use super::pace::Pace;
use super::ring::{MAX_GOP, Pick, Step, Turn};
use super::seat::{NEXT_KEYFRAME, Seat};
use super::{Frame, Stream, Track};
use crate::closes::Why;
use crate::traffic::{Counters, Direction, Held, Outgoing, Transport};

/// So long without a picture, though there were newer ones, is a freeze: people see it.
const FREEZE: Duration = Duration::from_millis(200);

/// A frame that waited longer than this for link or viewer is late: at 30 a second the next one has come meanwhile.
const LATE: Duration = Duration::from_millis(35);

/// A viewer that was stuck is reported so for this long.
const REPORTED: Duration = Duration::from_secs(3);

/// Frames captured closer together than this are the same picture: two tracks of a stream have it from one clock, but it
/// may have been translated in between.
const SAME: Duration = Duration::from_millis(1);
/// So long a GOP may be that is sent at once to change to it: more bytes would come at the worst moment.
const SHORT_GOP: Duration = Duration::from_millis(700);
/// One viewer alone, whose decoder fails again and again, must not have everybody sent keyframes: for it one is wished for
/// no more often than this.
const FAILS_EVERY: Duration = Duration::from_secs(5);
/// Frames of a GOP may be late by this much before it is more than what a keyframe holds up on a narrow link.
const FAR_BEHIND: Duration = Duration::from_millis(250);
/// A picture that one track of a stream has, the other will have within this time: encoding takes that long at most.
const IN_STEP: Duration = Duration::from_millis(150);

/// What a viewer gets.
#[derive(Debug)]
pub enum Next {
    /// This frame, now; and whether there are newer ones already.
    Frame(Arc<Frame>, Newer),
    /// Nothing before this moment.
    At(Timestamp),
    /// Nothing until its bell rings.
    Nothing,
}

/// Whether there are newer frames than one.
pub type Newer = bool;

/// How a viewer wants its stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Manner {
    /// At most so many frames a second; all where it is absent.
    pub fps: Option<f64>,
    /// Every frame, so long after it came; the newest where it is zero. At most [`MAX_BUFFER`](super::ring::MAX_BUFFER).
    pub behind: Duration,
}

/// What a viewer was sent so far, and what it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
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

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.dropped += other.dropped;
        self.late += other.late;
        self.queued += other.queued;
        self.behind += other.behind;
    }
}

/// One subscription: a seat at a track, and the right to be woken when there is more.
#[derive(Debug)]
pub struct Viewer {
    stream: Arc<Stream>,
    seat: Seat,
    /// At the track of another rendition, until a frame comes there with which it can go on.
    next_seat: Option<Box<NextSeat>>,
    transport: Transport,
    pace: Pace,
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
    held: Held,
    tally: Tally,
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

/// A seat that is kept for later.
#[derive(Debug)]
struct NextSeat {
    seat: Seat,
    since: Timestamp,
    /// When the newest frame seen there was captured.
    reached: Timestamp,
}

impl Viewer {
    pub(super) fn new(
        stream: Arc<Stream>,
        seat: Seat,
        transport: Transport,
        manner: Manner,
        now: Timestamp,
    ) -> Self {
        stream.traffic.over(transport).join();
        Self {
            stream,
            seat,
            next_seat: None,
            transport,
            pace: Pace::default(),
            interval: interval(manner),
            next_due: Timestamp::default(),
            since: now,
            last_sent: None,
            last: Last::default(),
            held: Held::Relay,
            tally: Tally::default(),
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
        self.seat.track()
    }

    /// What it was sent so far, and what it was not: also what it would be sent if that could be decoded by now.
    pub fn tally(&self, now: Timestamp) -> Tally {
        let forgone = match self.last_sent.is_some() && self.held.is_far_side() {
            true => self.seat.forgone(self.pick(), now),
            false => 0,
        };
        Tally { dropped: self.tally.dropped + forgone, ..self.tally }
    }

    /// Whether it is sent deltas too.
    pub fn has_deltas(&self) -> bool {
        self.seat.track().has_deltas()
    }

    /// Whether what is sent next is not to be seen, but needed to decode what follows it.
    pub fn is_catching_up(&self, now: Timestamp) -> bool {
        self.seat.is_catching_up(now)
    }

    /// Whether it has to catch up because it was held up, and not because it began with a GOP held.
    pub fn was_held_up(&self) -> bool {
        self.seat.was_held_up()
    }

    /// It will not catch up with what it is too late for by now: it goes on at a keyframe.
    pub fn give_up(&mut self, now: Timestamp) {
        if self.last_sent.is_some() && matches!(self.seat.step(self.pick(), now), Turn::Nothing) {
            self.seat.give_up();
        }
    }

    /// It cannot decode what it was sent: it goes on at a keyframe, which is wished for.
    pub fn fail(&mut self, now: Timestamp) {
        let track = self.seat.track();
        if !track.has_deltas() {
            return;
        }
        if self.failed_at.is_none_or(|at| now.since(at) >= FAILS_EVERY) {
            self.failed_at = Some(now);
            track.wish_for_keyframe();
        }
        self.seat.break_off();
        self.held = Held::Keyframe;
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
    pub fn change_manner(&mut self, manner: Manner) {
        self.interval = interval(manner);
        self.seat.stay_behind(manner.behind);
        if let Some(next) = &mut self.next_seat {
            next.seat.stay_behind(manner.behind);
        }
    }

    /// Until its track has something to begin with, it is shown another one, where that is not so now. To be said before
    /// anything is sent. A track that has brought nothing so far may be one that never will, or that is in the midst of a
    /// GOP.
    pub fn begin_with(&mut self, meanwhile: &TrackName, now: Timestamp) {
        if !is_waited_for(self.seat.track(), now) {
            return;
        }
        let (bell, behind) = (self.seat.bell().clone(), self.seat.behind());
        let other = self.stream.seat(meanwhile, bell, behind).show();
        let seat = mem::replace(&mut self.seat, other).hide();
        let reached = Timestamp::default();
        self.next_seat = Some(Box::new(NextSeat { seat, since: now, reached }));
    }

    /// Goes on with another track of its stream, as soon as that has a newer frame than was sent last. Until then it is
    /// sent what it was sent before: a change shows neither a gap nor an older picture.
    pub fn turn_to(&mut self, track: &TrackName, now: Timestamp) {
        if self.seat.track().topic().track == *track {
            self.next_seat = None;
            return;
        }
        if self.turns_to().is_some_and(|next| next.topic().track == *track) {
            return;
        }
        let seat = self.stream.seat(track, self.seat.bell().clone(), self.seat.behind());
        let seat = match self.last_sent {
            // What it has may come sooner, or alone.
            None if is_waited_for(seat.track(), now) => seat,
            None => {
                (self.seat, self.next_seat) = (seat.show(), None);
                return;
            }
            Some(_) => seat.begin_within(SHORT_GOP),
        };
        self.next_seat =
            Some(Box::new(NextSeat { seat, since: now, reached: Timestamp::default() }));
    }

    /// The track with which it will go on.
    pub fn turns_to(&self) -> Option<&Arc<Track>> {
        self.next_seat.as_ref().map(|next| next.seat.track())
    }

    /// Whether it has been about to go on with another track for no longer than until that track's next keyframe.
    pub fn is_turning(&self, now: Timestamp) -> bool {
        self.next_seat.as_ref().is_some_and(|next| now.since(next.since) <= NEXT_KEYFRAME)
    }

    /// Whether it is about to go on with another rendition, and not only with another codec.
    pub fn is_changing_size(&self) -> bool {
        let rendition = |track: &Arc<Track>| track.topic().track.rendition.clone();
        self.turns_to().is_some_and(|next| rendition(next) != rendition(self.seat.track()))
    }

    /// Whether no frame has come for so long of the track that it waits for. Where some came, a keyframe will, also where
    /// the one before them is missing.
    pub fn waits_in_vain(&self, now: Timestamp, patience: Duration) -> bool {
        self.next_seat.as_ref().is_some_and(|next| {
            let track = next.seat.track();
            let came = track.has_deltas().then(|| track.came_at()).flatten();
            now.since(came.map_or(next.since, |came| came.max(next.since))) > patience
        })
    }

    /// Whether its own track has brought no frame for this long, though it has been watched for as long, and no other
    /// track is about to take its place.
    pub fn is_in_the_dark(&self, now: Timestamp, patience: Duration) -> bool {
        let heard = self.seat.track().came_at().max(Some(self.since)).unwrap_or_default();
        self.next_seat.is_none() && now.since(heard) > patience
    }

    /// Stays with the track that it has.
    pub fn stay(&mut self) {
        self.next_seat = None;
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
        let step = self.seat.step(self.pick(), now);
        matches!(step, Turn::Frame(step) if due(&step.frame)) && !self.waits_for_the_next_seat(now)
    }

    /// A frame that it was owed was held back for longer than promised: a fault of the relay, which is counted.
    pub fn get_stuck(&mut self, now: Timestamp) {
        self.stuck_at = Some(now);
        self.counters().get_stuck();
    }

    /// When it was stuck, if that was a moment ago.
    pub fn stuck_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.stuck_at.filter(|at| now.since(*at) < REPORTED)
    }

    /// What this viewer has to wait for: frames passed over meanwhile are counted under it.
    pub fn hold(&mut self, held: Held) {
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
            let step = match self.seat.step(self.pick(), now) {
                Turn::Frame(step) => step,
                Turn::At(due) => {
                    self.seat.rest();
                    return Next::At(due);
                }
                Turn::Nothing if self.seat.hurry(now) => continue,
                Turn::Nothing => return Next::Nothing,
            };
            if self.is_thinned_out(&step.frame) {
                self.seat.pass(step.place);
                self.counters().drop_frames(Held::Wish, step.dropped + 1);
                continue;
            }
            self.count(&step, now);
            self.seat.go_on(&step, now);
            return Next::Frame(step.frame, step.behind > 0);
        }
    }

    /// Changes to the next seat where there is a frame to go on with. Returns how long one is waited for that must come at
    /// any moment: where both tracks are in step, either may have the next picture first.
    ///
    /// Of a track with deltas, a GOP is gone on with from its keyframe, as soon as its newest picture is a new one.
    fn change_seats(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut next = self.next_seat.take()?;
        if now.since(next.since) > NEXT_KEYFRAME {
            // A short GOP would have been better; to wait for one longer could go on for ever.
            next.seat.begin_with_any();
        }
        let behind = next.seat.behind();
        let pick = if behind.is_zero() { Pick::Newest } else { Pick::Behind(behind) };
        next.reached =
            if next.seat.track().has_deltas() { Timestamp::default() } else { next.reached };
        while let Turn::Frame(step) = next.seat.step(pick, now) {
            let shows = next.seat.shows(&step, now);
            if shows > self.last.captured_at + SAME {
                next.seat.pass(step.place - 1);
                self.go_on_at(next.seat, &step.frame);
                return None;
            }
            next.reached = shows;
            if next.seat.track().has_deltas() {
                break;
            }
            next.seat.pass(step.place);
        }
        let has_one = next.reached > Timestamp::default();
        let in_step = has_one && next.reached + SAME >= self.last.captured_at;
        self.next_seat = Some(next);
        match self.seat.step(self.pick(), now) {
            Turn::Frame(step) if in_step => {
                Some(step.frame.received_at + behind + IN_STEP).filter(|until| *until > now)
            }
            _ => None,
        }
    }

    /// A keyframe of the track that it turns away from would, on a link that is too narrow for that, hold up the one with
    /// which it is to go on.
    fn waits_for_the_next_seat(&self, now: Timestamp) -> bool {
        let turns = |next: &NextSeat| now.since(next.since) < NEXT_KEYFRAME;
        self.seat.is_broken() && self.next_seat.as_ref().is_some_and(|next| turns(next))
    }

    fn go_on_at(&mut self, seat: Seat, with: &Frame) {
        let missed = self.seat.before(with.captured_at.offset(-(SAME.as_micros() as i64)));
        let held = if self.interval == 0 { self.held } else { Held::Wish };
        if missed > 0 {
            self.counters().drop_frames(held, missed);
            self.tally.dropped += if held.is_far_side() { missed } else { 0 };
        }
        self.seat = seat.show();
        self.pace = Pace::default();
        self.switches += 1;
        if self.last_sent.is_none() {
            return;
        }
        // One that changes only the codec has as many.
        match pixels(with).cmp(&self.last.pixels) {
            Ordering::Less => self.stream.switches.count(Direction::Down),
            Ordering::Greater => self.stream.switches.count(Direction::Up),
            Ordering::Equal => {}
        }
    }

    fn pick(&self) -> Pick {
        match self.last_sent {
            // Whoever comes is shown a picture at once, also who wants to stay behind.
            None => Pick::Newest,
            Some(_) if !self.seat.behind().is_zero() => Pick::Behind(self.seat.behind()),
            Some(_) if self.is_held_back() => Pick::Newest,
            Some(_) => Pick::InOrder,
        }
    }

    /// Slow, and not because this relay is: what lies before the newest would only make its pictures older.
    fn is_held_back(&self) -> bool {
        self.pace.slow_since().is_some() && self.held != Held::Relay
    }

    fn count(&mut self, step: &Step, now: Timestamp) {
        let counters = self.stream.traffic.over(self.transport);
        let frame = &step.frame;
        let age = now.since(frame.captured_at);
        let bytes = frame.payload.len();
        counters.send(Outgoing { bytes, age, places_behind: step.behind });
        let hurries = self.seat.hurries(step, now);
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
            } else if self.seat.was_held_up() && self.held.is_far_side() {
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
            self.held = Held::Relay;
        }
    }

    /// Takes in how a frame fared that is to be seen.
    fn judge(&mut self, step: &Step, now: Timestamp) {
        let waited = now.since(step.frame.received_at).saturating_sub(self.seat.behind());
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
    pub fn close(&self, why: Why) {
        self.counters().close(why);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.counters().leave();
    }
}

/// Whether it is not known when there will be something to begin with.
fn is_waited_for(track: &Track, now: Timestamp) -> bool {
    track.has_deltas() && !track.can_be_begun_with(now)
}

fn interval(manner: Manner) -> u64 {
    manner.fps.map_or(0, |fps| (1_000_000.0 / fps) as u64)
}

fn pixels(frame: &Frame) -> u64 {
    u64::from(frame.width) * u64::from(frame.height)
}

#[cfg(test)]
mod gops;
#[cfg(test)]
mod tests;
