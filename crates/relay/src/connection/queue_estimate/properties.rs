//! What holds whatever the kernel reports: no estimate holds a frame back for ever.

use proptest::prelude::*;

use super::*;
use crate::connection::simulated::Connection;

/// The longest that a frame may be held back with nothing in flight, besides three round trips.
const PROMISED: Duration = Duration::from_millis(250);
/// The same for a receiver that provably reads nothing.
const PROVEN: Duration = Duration::from_millis(1850);

/// One look at a connection: how much later it is, and what the kernel reports. Windows shrink and grow, bytes are sent
/// again, acknowledgements stay away, clocks jump.
fn look() -> impl Strategy<Value = (u64, Reading)> {
    let later =
        prop_oneof![8 => 0..50_000_u64, 2 => 0..5_000_000_u64, 1 => 0..1_000_000_000_000_u64];
    let bytes = || prop_oneof![3 => Just(0_u64), 2 => 0..20_000_u64, 1 => 0..10_000_000_u64];
    let millis = || prop_oneof![4 => 0..100_u64, 1 => 0..3_000_u64].prop_map(Duration::from_millis);
    let closed =
        prop_oneof![Just(0_u64), 0..1_000_u64, 0..1_000_000_u64].prop_map(Duration::from_millis);
    let window = prop_oneof![Just(0_u64), 0..70_000_u64, 0..6_000_000_u64];
    let flow = (bytes(), bytes(), bytes(), window);
    let times = (millis(), millis(), millis(), closed);
    (later, flow, times).prop_map(|(later, flow, times)| {
        let ((acked, queued, unsent, window), (rtt, min_rtt, silent, closed)) = (flow, times);
        let unsent = unsent.min(queued);
        (
            later,
            Reading { acked, queued, unsent, rtt, min_rtt, silent, window, closed, retransmits: 0 },
        )
    })
}

proptest! {
    #[test]
    fn with_nothing_in_flight_no_frame_waits_longer_than_promised(
        looks in proptest::collection::vec(look(), 1..300),
        bytes in 0..2_000_000_usize,
    ) {
        let mut queue_estimate = QueueEstimator::default();
        let (mut now, mut acked, mut closed) = (Timestamp::from_micros(1), 0, Duration::ZERO);
        let mut idle_since: Option<Timestamp> = None;
        for (later, reading) in looks {
            now = now + Duration::from_micros(later);
            (acked, closed) = (acked + reading.acked, closed + reading.closed);
            let reading = Reading { acked, closed, ..reading };
            if reading.queued > 0 {
                idle_since = None;
            }
            let proven = queue_estimate.unread.is_proven();
            let bound = reading.min_rtt * 3 + if proven { PROVEN } else { PROMISED };
            match queue_estimate.take(now, reading) {
                Room::Now => {
                    queue_estimate.send(bytes);
                    idle_since = None;
                }
                Room::At(then) => {
                    prop_assert!(then > now && then <= now + LONGEST_WAIT, "{now} {then}");
                    if reading.queued == 0 {
                        let since = *idle_since.get_or_insert(now);
                        prop_assert!(now.since(since) < bound, "since {since}: {queue_estimate:?}");
                    }
                }
                Room::Stalled => break,
            }
        }
    }

    /// As joins on real sockets showed: a window that grows and then shrinks by up to two frames, and a program that reads
    /// everything.
    #[test]
    fn a_program_that_reads_everything_is_sent_frames_however_its_window_moves(
        narrowest in 20_000..1_000_000_u64,
        wider in proptest::collection::vec(0.0..2.0_f64, 1..20),
        bytes in 60_000..600_000_u64,
        distance in 1..40_u64,
    ) {
        let windows: Vec<u64> =
            wider.iter().map(|wider| narrowest + (wider * bytes as f64) as u64).collect();
        let mut connection = Connection::new(1000, distance, false);
        let (mut queue_estimate, mut sent, mut until) = (QueueEstimator::default(), None, 0);
        let (mut last_sent, mut longest) = (0, 0);
        for now in 0..20_000_u64 {
            connection.widest = windows[now as usize / 500 % windows.len()];
            connection.pass(now);
            let at = Timestamp::from_micros(1 + now * 1000);
            if sent == Some(now / 33) || now < until {
                continue;
            }
            let reading = connection.read_info(now);
            match queue_estimate.take(at, reading) {
                Room::Now => {
                    connection.unsent += bytes;
                    queue_estimate.send(bytes as usize);
                    (sent, last_sent) = (Some(now / 33), now);
                }
                Room::At(then) => until = then.micros() / 1000,
                Room::Stalled => prop_assert!(false, "stalled at {now}"),
            }
            if reading.queued == 0 {
                longest = longest.max(now - last_sent);
            }
        }
        prop_assert!(longest <= 250 + 33 + 3 * distance, "{longest} ms");
    }
}
