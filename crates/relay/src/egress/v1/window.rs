//! How many frames may be on their way to a viewer that acknowledges what it has shown. No clock: `now` is passed in.
//!
//! Acknowledgements see what TCP does not: a proxy that buffers, a receiver that reads late, a tab that paints slowly.
//! The window follows the link's own round trip, the shortest of late: as long as frames come back in about that time,
//! nothing waits on the way, and more may be sent; when they take longer, something waits, and fewer may. So 200 ms of
//! distance carry the full rate with many frames on their way, and a tab that paints 5 pictures a second is sent 5.

use std::collections::VecDeque;
use std::time::Duration;

use fanlight_protocol::Timestamp;

use crate::recent_minimum::RecentMinimum;

/// Frames that may be on their way before anything is known.
const FIRST: usize = 4;
/// Most frames on their way: two seconds at 30 a second.
const MOST: usize = 64;
/// Frames may take longer than the shortest round trip by this much, or by a quarter of it, before it counts as
/// waiting: browsers stumble that long when they tidy up.
const TOLERATED: Duration = Duration::from_millis(40);
/// Where deltas come, by this much: a keyframe takes many times longer to be carried, and what comes after it waits for
/// it.
const TOLERATED_IN_GOPS: Duration = Duration::from_millis(200);
/// On a link that loses segments, all frames must take longer for this long before it counts as waiting. A queue stays; a
/// lost segment holds up the frames that were on their way, about two at a time, and the next one is in time again.
const PERSISTS: Duration = Duration::from_millis(250);
/// After it has met a queue, the window stays for this long before it tries to grow again.
const REST: Duration = Duration::from_secs(2);
/// Without any word, a frame is sent this often all the same: whoever forgot to acknowledge still sees that time passes.
const PROBE: Duration = Duration::from_secs(1);

/// The window of one viewer.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// Frames not acknowledged, oldest first: sequence, and when it was sent.
    under_way: VecDeque<(u64, Timestamp)>,
    /// So many of them, the oldest, are of an earlier count.
    earlier: usize,
    shortest: RecentMinimum,
    /// Whether the window held a frame back since it last grew.
    full: bool,
    /// Since when every frame that was acknowledged took longer than it should.
    late_since: Option<Timestamp>,
    /// Whether deltas are sent.
    in_gops: bool,
    /// When a queue was met last.
    queue_met: Option<Timestamp>,
    last_sent: Timestamp,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: FIRST,
            under_way: VecDeque::new(),
            earlier: 0,
            shortest: RecentMinimum::default(),
            full: false,
            late_since: None,
            in_gops: false,
            queue_met: None,
            last_sent: Timestamp::default(),
        }
    }
}

impl Window {
    /// When the next frame may go; `None`: now. `distance` is the shortest round trip of the connection below: without
    /// what this viewer's frames take to be carried and shown.
    pub(super) fn wait(&mut self, now: Timestamp, distance: Duration) -> Option<Timestamp> {
        if !self.is_full() {
            return None;
        }
        self.full = true;
        let probe = self.last_sent + PROBE;
        let next = match self.under_way.len() == self.size && self.late_since.is_none() {
            // The last one has been carried by now if all is as it was best: its acknowledgement is on its way back,
            // and waiting for that would leave the link idle.
            true => self.shortest.known().map_or(probe, |shortest| {
                probe.min(self.last_sent + shortest.saturating_sub(distance).max(TOLERATED / 2))
            }),
            false => probe,
        };
        (next > now).then_some(next)
    }

    /// Whether as many frames as the window allows are on their way.
    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= self.size
    }

    /// Whether a frame may go now only so that the viewer sees that time passes: no others may follow it.
    pub(super) fn probes(&self, now: Timestamp) -> bool {
        self.is_full() && now.since(self.last_sent) >= PROBE
    }

    /// A frame is sent.
    pub(super) fn send(&mut self, sequence: u64, is_keyframe: bool, now: Timestamp) {
        self.in_gops |= !is_keyframe;
        if self.under_way.len() >= 2 * MOST {
            self.under_way.pop_front();
            self.earlier = self.earlier.saturating_sub(1);
        }
        self.under_way.push_back((sequence, now));
        self.last_sent = now;
    }

    /// The viewer has shown the frame with this sequence, or a newer one instead. `lossy`: the link has recently lost
    /// segments.
    pub(super) fn acknowledge(&mut self, sequence: u64, now: Timestamp, lossy: bool) {
        let shown = self.shown(sequence);
        let Some((_, sent_at)) = self.under_way.drain(..shown).next_back() else { return };
        let of_this_count = shown > self.earlier;
        self.earlier = self.earlier.saturating_sub(shown);
        if !of_this_count {
            return;
        }
        let took = now.since(sent_at);
        let shortest = self.shortest.note(took, now);
        let least = if self.in_gops { TOLERATED_IN_GOPS } else { TOLERATED };
        let tolerated = shortest + least.max(shortest / 4);
        if took <= tolerated {
            self.late_since = None;
            if self.full {
                self.grow(now);
            }
            return;
        }
        let late_for = now.since(*self.late_since.get_or_insert(now));
        if !lossy || late_for >= PERSISTS {
            self.shrink(took, now);
        }
    }

    /// How many of those under way are shown with this one. A number of an earlier count must not be taken for one of
    /// this count, nor the other way round, so it has to be the very one that was sent.
    fn shown(&self, sequence: u64) -> usize {
        if let Some(at) = self.under_way.iter().position(|(sent, _)| *sent == sequence) {
            return at + 1;
        }
        let of_this_count = self.under_way.iter().skip(self.earlier);
        match of_this_count.take_while(|(sent, _)| *sent <= sequence).count() {
            0 => 0,
            count => self.earlier + count,
        }
    }

    /// The sequence begins anew, perhaps with frames of another size: how long they take is to be found out. Those under
    /// way are acknowledged still, or else with what follows them.
    pub(super) fn restart(&mut self) {
        self.earlier = self.under_way.len();
        self.shortest = RecentMinimum::default();
        (self.late_since, self.in_gops) = (None, false);
    }

    /// Once a round trip, so that one queue is not answered twice.
    fn shrink(&mut self, took: Duration, now: Timestamp) {
        if self.queue_met.is_none_or(|met| now.since(met) > took) {
            self.size = (self.size - self.size.div_ceil(4)).max(1);
            self.queue_met = Some(now);
        }
    }

    /// By one for each acknowledgement until a queue was met; then by one at a time, and seldom.
    fn grow(&mut self, now: Timestamp) {
        let rested = self.queue_met.is_none_or(|met| now.since(met) > REST);
        if rested && self.size < MOST {
            self.size += 1;
            self.full = false;
            if let Some(met) = &mut self.queue_met {
                *met = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: u64 = 33_333;
    const MILLI: u64 = 1000;

    /// What lies between the relay and the viewer's eyes: so far away, and one frame after the other takes so long to be
    /// carried or painted.
    #[derive(Clone, Copy)]
    struct Path {
        distance: u64,
        takes: u64,
        /// Whether the connection below knows the distance; a proxy hides it.
        distance_known: bool,
    }

    struct Seen {
        fps: f64,
        /// Ages of frames when they were shown, after the first seconds, sorted, in microseconds.
        ages: Vec<u64>,
    }

    impl Seen {
        fn age(&self, share: f64) -> u64 {
            self.ages[(self.ages.len() as f64 * share) as usize] / MILLI
        }
    }

    const SECONDS: u64 = 20;
    const SETTLED: u64 = 5;

    /// Watches a camera of 30 frames a second over a path that may change as time goes by; the newest frame wins.
    fn watch(path: impl Fn(u64) -> Path) -> Seen {
        let (mut window, mut free, mut ages) = (Window::default(), 0, Vec::new());
        let mut acks: VecDeque<(u64, u64)> = VecDeque::new();
        let mut sent = None;
        for now in (0..SECONDS * 1_000_000).step_by(MILLI as usize) {
            let at = Timestamp::from_micros(now);
            while acks.front().is_some_and(|(when, _)| *when <= now) {
                let (_, sequence) = acks.pop_front().unwrap();
                window.acknowledge(sequence, at, false);
            }
            let Path { distance, takes, distance_known } = path(now);
            let known = Duration::from_micros(if distance_known { distance } else { 100 });
            let newest = now / FRAME;
            if sent < Some(newest) && window.wait(at, known).is_none() {
                window.send(newest, true, at);
                sent = Some(newest);
                free = u64::max(free, now + distance / 2) + takes;
                acks.push_back((free + distance / 2, newest));
                if now > SETTLED * 1_000_000 {
                    ages.push(free - newest * FRAME);
                }
            }
        }
        ages.sort_unstable();
        Seen { fps: ages.len() as f64 / (SECONDS - SETTLED) as f64, ages }
    }

    fn path(distance: u64, takes: u64) -> Path {
        Path { distance: distance * MILLI, takes: takes * MILLI, distance_known: true }
    }

    #[test]
    fn distance_costs_no_frames() {
        let seen = watch(|_| path(200, 5));
        assert!(seen.fps > 29.5, "{} fps", seen.fps);
        assert!(seen.age(0.95) < 150, "{} ms", seen.age(0.95));
    }

    #[test]
    fn distance_behind_a_proxy_costs_no_frames_either() {
        let seen = watch(|_| Path { distance_known: false, ..path(200, 5) });
        assert!(seen.fps > 29.5, "{} fps", seen.fps);
    }

    #[test]
    fn a_tab_that_paints_five_frames_a_second_is_sent_five() {
        let seen = watch(|_| path(2, 200));
        assert!((4.5..5.2).contains(&seen.fps), "{} fps", seen.fps);
        assert!(
            seen.age(0.5) < 300 && seen.age(0.95) < 450,
            "{} {}",
            seen.age(0.5),
            seen.age(0.95)
        );
    }

    #[test]
    fn a_slow_link_is_used_and_not_filled() {
        // 4 Mbit/s for 60 kB frames, 40 ms away: 8.3 frames a second are possible.
        let seen = watch(|_| path(40, 120));
        assert!(seen.fps > 7.0, "{} fps", seen.fps);
        assert!(
            seen.age(0.5) < 250 && seen.age(0.95) < 350,
            "{} {}",
            seen.age(0.5),
            seen.age(0.95)
        );
    }

    #[test]
    fn a_tab_that_was_busy_for_a_while_is_well_again_soon() {
        let busy = 6_000_000..8_000_000;
        let seen = watch(|now| path(2, if busy.contains(&now) { 300 } else { 3 }));
        assert!(seen.fps > 24.0, "{} fps", seen.fps);
        assert!(seen.age(0.5) < 40, "{} ms", seen.age(0.5));
    }

    #[test]
    fn a_keyframe_that_takes_its_time_does_not_make_the_window_smaller() {
        // 1 Mbit/s, 40 ms away: a delta takes 20 ms, and a keyframe, every two seconds, eight times as long.
        let (mut window, mut free, mut held_back) = (Window::default(), 0, 0);
        let mut acks: VecDeque<(u64, u64)> = VecDeque::new();
        for n in 0..600 {
            let now = n * FRAME;
            while acks.front().is_some_and(|(when, _)| *when <= now) {
                let (when, sequence) = acks.pop_front().unwrap();
                window.acknowledge(sequence, Timestamp::from_micros(when), false);
            }
            let at = Timestamp::from_micros(now);
            held_back += u64::from(window.wait(at, Duration::from_millis(40)).is_some());
            let is_keyframe = n % 60 == 0;
            window.send(n, is_keyframe, at);
            free = free.max(now + 20 * MILLI) + if is_keyframe { 160 } else { 20 } * MILLI;
            acks.push_back((free + 20 * MILLI, n));
        }
        assert!(held_back < 10 && window.size > FIRST, "{held_back} {window:?}");
    }

    #[test]
    fn frames_that_a_lost_segment_holds_up_do_not_make_the_window_smaller_and_a_queue_does() {
        for (lossy, late_of_ten, shrinks) in [(true, 4, false), (true, 10, true), (false, 4, true)]
        {
            let mut window = Window { size: 8, ..Window::default() };
            let mut smallest = window.size;
            for n in 0..300 {
                let (sent_at, late) = (n * FRAME, n > 30 && n % 10 < late_of_ten);
                let took = if late { 110 } else { 45 } * MILLI;
                window.send(n, true, Timestamp::from_micros(sent_at));
                window.acknowledge(n, Timestamp::from_micros(sent_at + took), lossy);
                smallest = smallest.min(window.size);
            }
            assert_eq!(smallest < 8, shrinks, "{lossy} {late_of_ten}: {smallest}");
        }
    }

    #[test]
    fn one_that_never_acknowledges_is_still_sent_a_frame_a_second() {
        let mut window = Window::default();
        let sent = (0..10_000 * MILLI).step_by(MILLI as usize).filter(|now| {
            let at = Timestamp::from_micros(*now);
            let goes = window.wait(at, Duration::ZERO).is_none();
            if goes {
                window.send(now / FRAME, true, at);
            }
            goes
        });
        let sent = sent.count();
        assert!((FIRST + 8..=FIRST + 10).contains(&sent), "{sent}");
    }

    #[test]
    fn an_acknowledgement_counts_for_all_frames_before_it() {
        let mut window = Window::default();
        let at = |millis: u64| Timestamp::from_micros(millis * MILLI);
        (0..4).for_each(|n| window.send(n, true, at(n)));
        assert!(window.wait(at(5), Duration::ZERO).is_some());
        window.acknowledge(3, at(10), false);
        assert_eq!(window.wait(at(10), Duration::ZERO), None);
        assert!(window.under_way.is_empty());
    }

    #[test]
    fn a_new_count_is_not_taken_for_the_old_one_nor_the_old_one_for_the_new() {
        let mut window = Window::default();
        let at = |millis: u64| Timestamp::from_micros(millis * MILLI);
        (500..503).for_each(|n| window.send(n, true, at(n - 500)));
        window.restart();
        (3..5).for_each(|n| window.send(n, true, at(n)));
        window.acknowledge(500, at(100), false);
        assert_eq!(
            window.under_way.len(),
            4,
            "what is of the old count says nothing of the new one"
        );
        assert_eq!(window.shortest.known(), None);
        window.acknowledge(3, at(103), false);
        assert_eq!(window.under_way, [(4, at(4))]);
        assert_eq!(window.shortest.known(), Some(Duration::from_millis(100)));
        window.acknowledge(502, at(104), false);
        assert!(window.under_way.is_empty(), "a later number is that of a later frame");
    }

    proptest! {
        #[test]
        fn what_is_under_way_is_bounded_whatever_is_acknowledged(
            acks in proptest::collection::vec((any::<u64>(), 0..100u64), 0..500),
        ) {
            let (mut window, mut now) = (Window::default(), Timestamp::from_micros(1));
            for (n, (sequence, later)) in acks.into_iter().enumerate() {
                now = now + Duration::from_millis(later);
                if window.wait(now, Duration::ZERO).is_none() {
                    window.send(n as u64, true, now);
                }
                window.acknowledge(sequence % (n as u64 + 3), now, false);
                prop_assert!(window.under_way.len() <= 2 * MOST && (1..=MOST).contains(&window.size));
            }
        }
    }
}
