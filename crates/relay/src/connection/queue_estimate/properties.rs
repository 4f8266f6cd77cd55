//! Properties for any sequence of readings: no estimate holds a frame for ever.

use proptest::prelude::*;

use super::*;
use crate::connection::simulated::SimulatedConnection;

/// Longest time for which a frame may be held with nothing in flight, besides three round trips.
const DEADLINE: Duration = Duration::from_millis(250);
/// The same for a receiver that provably reads nothing.
const DEADLINE_IF_PROVEN: Duration = Duration::from_millis(1850);

/// Returns one step of time and the reading after it. Windows shrink and grow, bytes are retransmitted,
/// acknowledgements fail to arrive, clocks jump.
fn step() -> impl Strategy<Value = (u64, TcpReading)> {
    let later =
        prop_oneof![8 => 0..50_000_u64, 2 => 0..5_000_000_u64, 1 => 0..1_000_000_000_000_u64];
    let bytes = || prop_oneof![3 => Just(0_u64), 2 => 0..20_000_u64, 1 => 0..10_000_000_u64];
    let millis = || prop_oneof![4 => 0..100_u64, 1 => 0..3_000_u64].prop_map(Duration::from_millis);
    let rwnd_limited =
        prop_oneof![Just(0_u64), 0..1_000_u64, 0..1_000_000_u64].prop_map(Duration::from_millis);
    let receive_window = prop_oneof![Just(0_u64), 0..70_000_u64, 0..6_000_000_u64];
    let flow = (bytes(), bytes(), bytes(), receive_window);
    let times = (millis(), millis(), millis(), rwnd_limited);
    (later, flow, times).prop_map(|(later, flow, times)| {
        let (acked, queued, unsent, receive_window) = flow;
        let (rtt, min_rtt, since_ack, rwnd_limited) = times;
        let unsent = unsent.min(queued);
        (
            later,
            TcpReading {
                acked,
                queued,
                unsent,
                rtt,
                min_rtt,
                since_ack,
                receive_window,
                rwnd_limited,
                retransmits: 0,
            },
        )
    })
}

proptest! {
    #[test]
    fn with_nothing_in_flight_no_frame_is_held_past_its_deadline(
        steps in proptest::collection::vec(step(), 1..300),
        bytes in 0..2_000_000_usize,
    ) {
        let mut queue_estimate = QueueEstimator::default();
        let (mut now, mut acked, mut rwnd_limited) = (Timestamp::from_micros(1), 0, Duration::ZERO);
        let mut idle_since: Option<Timestamp> = None;
        for (later, reading) in steps {
            now = now + Duration::from_micros(later);
            (acked, rwnd_limited) = (acked + reading.acked, rwnd_limited + reading.rwnd_limited);
            let reading = TcpReading { acked, rwnd_limited, ..reading };
            if reading.queued > 0 {
                idle_since = None;
            }
            let proven = queue_estimate.unread.is_proven();
            let bound = reading.min_rtt * 3 + if proven { DEADLINE_IF_PROVEN } else { DEADLINE };
            match queue_estimate.update(now, reading) {
                SendDecision::Send => {
                    queue_estimate.note_sent(bytes);
                    idle_since = None;
                }
                SendDecision::RetryAt(then) => {
                    prop_assert!(then > now && then <= now + MAX_HOLD, "{now} {then}");
                    if reading.queued == 0 {
                        let since = *idle_since.get_or_insert(now);
                        prop_assert!(now.since(since) < bound, "since {since}: {queue_estimate:?}");
                    }
                }
                SendDecision::Stalled => break,
            }
        }
    }

    /// Late joiners on real sockets showed this: a window that grows and then shrinks by up to two frames, although the
    /// program reads everything.
    #[test]
    fn a_program_that_reads_everything_is_sent_frames_however_its_window_moves(
        narrowest in 20_000..1_000_000_u64,
        wider in proptest::collection::vec(0.0..2.0_f64, 1..20),
        bytes in 60_000..600_000_u64,
        base_rtt in 1..40_u64,
    ) {
        let windows: Vec<u64> =
            wider.iter().map(|wider| narrowest + (wider * bytes as f64) as u64).collect();
        let mut connection = SimulatedConnection::new(1000, base_rtt, false);
        let (mut queue_estimate, mut sent, mut until) = (QueueEstimator::default(), None, 0);
        let (mut last_sent, mut longest) = (0, 0);
        for now in 0..20_000_u64 {
            connection.max_window = windows[now as usize / 500 % windows.len()];
            connection.tick(now);
            let at = Timestamp::from_micros(1 + now * 1000);
            if sent == Some(now / 33) || now < until {
                continue;
            }
            let reading = connection.reading(now);
            match queue_estimate.update(at, reading) {
                SendDecision::Send => {
                    connection.unsent += bytes;
                    queue_estimate.note_sent(bytes as usize);
                    (sent, last_sent) = (Some(now / 33), now);
                }
                SendDecision::RetryAt(then) => until = then.micros() / 1000,
                SendDecision::Stalled => prop_assert!(false, "stalled at {now}"),
            }
            if reading.queued == 0 {
                longest = longest.max(now - last_sent);
            }
        }
        prop_assert!(longest <= 250 + 33 + 3 * base_rtt, "{longest} ms");
    }
}
