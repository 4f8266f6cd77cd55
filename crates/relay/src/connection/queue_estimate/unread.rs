//! Estimates how many bytes the receiver's kernel has acknowledged that the program there has not read yet.
//!
//! TCP acknowledges what the receiver's kernel holds. Unread bytes show only as a receive window that is narrower than it
//! was, and this evidence is weak in two ways:
//!
//! - a window is as old as the last acknowledgement, and with nothing in flight there is no next one;
//! - Linux also narrows a window while nothing is unread: it learns how much memory segments of this size take.
//!
//! So the estimate counts only for a receiver that made sending wait, it drains with time, and while nothing is in flight
//! it holds a frame back for a bounded time only ([`Unread::hold`]). The frame that is sent then brings a fresh window,
//! which either confirms the estimate or corrects it, as a TCP sender probes a closed window.

use std::time::Duration;

use fanlight_protocol::Timestamp;

use super::Reading;

/// Sending is checked over spans of at least this length for how much of it waited for the window.
const SPAN: Duration = Duration::from_millis(100);
/// A receiver reads slowly where more than one part in this many of a span waited for its window. A window that only has to
/// grow at the start of a connection costs less.
const WAITED_SHARE: u32 = 3;
/// A receiver that made sending wait counts as one that reads slowly for this long.
const READS_SLOWLY: Duration = Duration::from_secs(30);
/// The time within which an observation is recent.
const RECENT: Duration = Duration::from_secs(1);
/// Longest time for which the estimate alone holds a frame back, besides three round trips. The relay promises 250 ms; the
/// rest is for timers and for a busy thread.
const HOLD: Duration = Duration::from_millis(200);
/// From the second fresh window in a row that proves that the receiver reads nothing, the hold doubles, and at most this
/// often: to 1.6 s. It would else be sent frames until its buffer is full, and show them seconds old when it reads on. A
/// window may narrow by itself by some frames, which looks the same at first.
const MAX_DOUBLINGS: u32 = 3;

/// The estimate of the bytes that lie unread at the receiver.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The window of a receiver that has read everything, as far as known.
    open: u64,
    /// Where the present span began: when, and for how long sending had waited until then.
    span: Option<(Timestamp, Duration)>,
    /// The moment when sending last waited for the window for a large part of a span.
    slow_at: Option<Timestamp>,
    /// The moment when sending last waited for the receiver: for its window, or for what lies unread.
    waited_at: Option<Timestamp>,
    /// The connection when the last frame was sent against the estimate.
    probe: Option<Probe>,
    /// How many such frames in a row the receiver had not read when the next one was due.
    unread_probes: u32,
}

/// A connection at a moment when nothing was in flight.
#[derive(Debug, Clone, Copy)]
struct Probe {
    acked: u64,
    /// The last byte that the receiver was ready to take then. It advances as the program there reads.
    edge: u64,
}

impl Unread {
    /// Takes in a reading.
    pub(super) fn watch(&mut self, now: Timestamp, reading: &Reading) {
        self.open = self.open.max(reading.window);
        let (began, closed) = *self.span.get_or_insert((now, reading.closed));
        let length = now.since(began);
        if length < SPAN {
            return;
        }
        if reading.closed.saturating_sub(closed) * WAITED_SHARE > length {
            (self.slow_at, self.waited_at) = (Some(now), Some(now));
        }
        self.span = Some((now, reading.closed));
    }

    /// Whether sending has recently waited for the receiver rather than for the network.
    pub(super) fn was_waited_for(&self, now: Timestamp) -> bool {
        self.waited_at.is_some_and(|at| now.since(at) < RECENT)
    }

    /// Returns how many bytes lie unread: as many as the window lacked when it was last heard of, less what the program
    /// has read since at `rate` bytes a second. Zero for a receiver that does not read slowly: it does not report every
    /// byte that it reads.
    pub(super) fn bytes(&self, now: Timestamp, reading: &Reading, rate: f64) -> u64 {
        if self.slow_at.is_none_or(|at| now.since(at) > READS_SLOWLY) {
            return 0;
        }
        let read_since = (rate * reading.silent.as_secs_f64()) as u64;
        self.open.saturating_sub(reading.window).saturating_sub(read_since)
    }

    /// A frame is held back for this estimate alone. Returns for how long it may be.
    pub(super) fn hold(&mut self, now: Timestamp, reading: &Reading) -> Duration {
        self.waited_at = Some(now);
        let doublings = self.unread_probes.saturating_sub(1).min(MAX_DOUBLINGS);
        reading.min_rtt * 3 + HOLD * (1 << doublings)
    }

    /// Whether fresh windows prove that the receiver has not read the last frames that were sent against the estimate.
    pub(super) fn is_proven(&self) -> bool {
        self.unread_probes > 1
    }

    /// A frame is sent although the estimate speaks against it, with nothing in flight. Compares with the last such
    /// moment what the receiver was sent and what it read.
    pub(super) fn probe(&mut self, reading: &Reading) {
        let probe = Probe { acked: reading.acked, edge: reading.acked + reading.window };
        let Some(before) = self.probe.replace(probe) else { return };
        let sent = reading.acked.saturating_sub(before.acked);
        let read = probe.edge.saturating_sub(before.edge);
        self.unread_probes = if read < sent / 2 { self.unread_probes + 1 } else { 0 };
        if (sent / 2..=sent + sent / 4).contains(&read) {
            // It reads what it is sent and no more, so at most that lies unread: its window is no longer as wide as it was.
            self.open = self.open.min(reading.window + sent);
        }
    }
}
