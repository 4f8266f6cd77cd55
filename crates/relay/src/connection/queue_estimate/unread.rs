//! An estimate of the bytes that the receiver's kernel has acknowledged and the program there has not read yet.
//!
//! TCP acknowledges what the receiver's kernel holds. Unread bytes show only as a receive window that is narrower than
//! before, and this evidence is weak in two ways:
//!
//! - a window is as old as the last acknowledgement, and with nothing in flight there is no next one;
//! - Linux also narrows a window while nothing is unread, as it learns how much memory segments of this size take. The
//!   window then moves as if little or nothing were read.
//!
//! The estimate therefore counts only for a receiver that has limited sending and not caught up quickly since. It drains
//! with time, and with nothing in flight it holds a frame only for a bounded time ([`UnreadEstimate::hold`]). The frame
//! sent then brings a fresh window, which confirms or corrects the estimate, as a TCP sender probes a closed window.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::TcpReading;

/// Shortest span over which the share of time limited by the window is measured.
const SPAN: Duration = Duration::from_millis(100);
/// A receiver reads slowly if its window limited sending for more than one part in this many of a span. A window that
/// only has to grow at the start of a connection costs less.
const LIMITED_SHARE: u32 = 3;
/// A receiver that limited sending counts as reading slowly for this long.
const READS_SLOWLY: Duration = Duration::from_secs(30);
/// A receiver that reads one part in this many of its widest window within [`SPAN`] does not read slowly: it had only
/// paused. If that is wrong, its frames are older by at most the time to read one window, 200 ms.
const CAUGHT_UP_PART: u64 = 2;
/// Age up to which an observation is recent.
const RECENT: Duration = Duration::from_secs(1);
/// Longest time for which the estimate alone holds a frame, besides three round trips. The send deadline is 250 ms; the
/// difference is for timers and for a busy thread.
const HOLD: Duration = Duration::from_millis(200);
/// Most doublings of the hold, to 1.6 s. It doubles from the second fresh window in a row that proves that the receiver
/// reads nothing. Otherwise that receiver would be sent frames until its buffer is full, and show them seconds old when
/// it reads again. One window proves nothing: it may narrow by itself by some frames.
const MAX_DOUBLINGS: u32 = 3;

/// The estimate of the bytes that are unread at the receiver.
#[derive(Debug, Default)]
pub(super) struct UnreadEstimate {
    /// The widest window known: that of a receiver that has read everything.
    open: u64,
    /// The start of the present span: the moment, and the total time limited by the window until then.
    span: Option<(Timestamp, Duration)>,
    /// The start of the present span in which the window's edge moves: the moment, and the edge.
    edge_span: Option<(Timestamp, u64)>,
    /// The moment when the window last limited sending for a large part of a span.
    slow_at: Option<Timestamp>,
    /// The moment when the receiver last limited sending: by its window, or by unread bytes.
    limited_at: Option<Timestamp>,
    /// The connection when a frame was last sent against the estimate.
    checkpoint: Option<Checkpoint>,
    /// Number of such frames in a row that the receiver had not read when the next one was due.
    unread_frames: u32,
}

/// A connection at a moment when nothing was in flight.
#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    acked: u64,
    edge: u64,
}

/// Returns the last byte that the receiver offered to accept. It advances as the program there reads.
fn edge(reading: &TcpReading) -> u64 {
    reading.acked + reading.receive_window
}

impl UnreadEstimate {
    /// Takes a reading.
    pub(super) fn observe(&mut self, now: Timestamp, reading: &TcpReading) {
        self.open = self.open.max(reading.receive_window);
        self.observe_limit(now, reading);
        if self.catches_up(now, edge(reading)) {
            (self.slow_at, self.unread_frames) = (None, 0);
        }
    }

    fn observe_limit(&mut self, now: Timestamp, reading: &TcpReading) {
        let (began, limited) = *self.span.get_or_insert((now, reading.rwnd_limited));
        let length = now.since(began);
        if length < SPAN {
            return;
        }
        if reading.rwnd_limited.saturating_sub(limited) * LIMITED_SHARE > length {
            (self.slow_at, self.limited_at) = (Some(now), Some(now));
        }
        self.span = Some((now, reading.rwnd_limited));
    }

    /// Returns whether the receiver has just read a large part of a window quickly.
    fn catches_up(&mut self, now: Timestamp, edge: u64) -> bool {
        let (began, before) = *self.edge_span.get_or_insert((now, edge));
        let length = now.since(began);
        let spans = length.as_secs_f64() / SPAN.as_secs_f64();
        let read = edge.saturating_sub(before) as f64;
        let caught_up = read >= (self.open / CAUGHT_UP_PART) as f64 * spans.max(1.0);
        if caught_up || length >= SPAN {
            self.edge_span = Some((now, edge));
        }
        caught_up
    }

    /// Returns whether the receiver has recently limited sending.
    pub(super) fn is_limiting(&self, now: Timestamp) -> bool {
        self.limited_at.is_some_and(|at| now.since(at) < RECENT)
    }

    /// Returns the number of unread bytes: the difference between the widest and the last window, less what the program
    /// has read since at `rate` bytes a second. Returns zero for a receiver that does not read slowly, because it does
    /// not report every byte that it reads.
    pub(super) fn bytes(&self, now: Timestamp, reading: &TcpReading, rate: f64) -> u64 {
        if self.slow_at.is_none_or(|at| now.since(at) > READS_SLOWLY) {
            return 0;
        }
        let read_since = (rate * reading.since_ack.as_secs_f64()) as u64;
        self.open.saturating_sub(reading.receive_window).saturating_sub(read_since)
    }

    /// Returns for how long a frame may be held because of this estimate alone.
    pub(super) fn hold(&mut self, now: Timestamp, reading: &TcpReading) -> Duration {
        self.limited_at = Some(now);
        let doublings = self.unread_frames.saturating_sub(1).min(MAX_DOUBLINGS);
        reading.min_rtt * 3 + HOLD * (1 << doublings)
    }

    /// Returns whether fresh windows prove that the receiver has not read the last frames sent against the estimate.
    pub(super) fn is_proven(&self) -> bool {
        self.unread_frames > 1
    }

    /// Notes that a frame is sent against the estimate, with nothing in flight. Compares what the receiver was sent and
    /// what it read since the last such moment.
    pub(super) fn note_sent(&mut self, reading: &TcpReading) {
        let present = Checkpoint { acked: reading.acked, edge: edge(reading) };
        let Some(before) = self.checkpoint.replace(present) else { return };
        let sent = reading.acked.saturating_sub(before.acked);
        let read = present.edge.saturating_sub(before.edge);
        self.unread_frames = if read < sent / 2 { self.unread_frames + 1 } else { 0 };
        if (sent / 2..=sent + sent / 4).contains(&read) {
            // It reads what it is sent and no more, so at most that is unread: its window is no longer as wide as it
            // was.
            self.open = self.open.min(reading.receive_window + sent);
        }
    }
}
