//! One pushed stream: a client's frames on their way into the hub.

use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::{Gap, IncomingFrame};
use fanlight_clock as clock;
use fanlight_protocol::{FrameFlags, FrameMeta, FrameTimes, StreamName, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::pace::Pace;
use super::payload::{CheckedFrame, PayloadCheck, codec_of};
use super::streams::{OpenedStream, PushedStreams, Request, Reservation};
use crate::error::Error;
use crate::limits::Permit;
use crate::stats::labels::{PushEnd, RefusedFrame};

/// Shortest and longest time without any byte after which a client over HTTP is gone.
const MIN_PATIENCE: Duration = Duration::from_secs(5);
/// The longest one: cameras of one picture in 30 s exist.
const MAX_PATIENCE: Duration = Duration::from_secs(60);

/// Greatest age of a frame when it is complete: no client is believed that states more, or takes longer to send it.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The sending end of one pushed stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct PushedStream {
    streams: Arc<PushedStreams>,
    reservation: Reservation,
    request: Request,
    check: Option<PayloadCheck>,
    pace: Pace,
    /// Present after the first frame.
    opened: Option<OpenedStream>,
    sequence: u64,
    /// No frame is missing since the last keyframe, so that a delta can be decoded.
    has_keyframe: bool,
    /// The first refusal was logged.
    has_warned: bool,
    end: PushEnd,
    /// The arrival of the newest frame, and the time between it and the one before.
    last_frame: Option<(Instant, Option<Duration>)>,
    /// The stream's place among those that may be published.
    _permit: Permit,
}

/// A frame that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, for the client.
    pub message: String,
    /// The kind of the reason.
    pub what: RefusedFrame,
    /// The client has sent too many of them: it must be closed.
    pub is_last: bool,
}

impl PushedStream {
    /// Begins to publish. The stream appears with its first frame; until then its name is reserved.
    ///
    /// # Errors
    /// [`Error::Conflict`] if another publisher has the name.
    pub fn begin(
        streams: &Arc<PushedStreams>,
        request: Request,
        permit: Permit,
    ) -> Result<Self, Error> {
        let reservation = streams.reserve(&request)?;
        streams.counters.begin(request.transport);
        tracing::info!(
            access = request.access,
            stream = %request.name,
            client = request.client,
            transport = request.transport.as_str(),
            takeover = request.takes_over,
            "publishing begins"
        );
        let (check, pace) =
            (request.codec.map(PayloadCheck::new), Pace::new(streams.limits, Instant::now()));
        Ok(Self {
            streams: streams.clone(),
            reservation,
            request,
            check,
            pace,
            opened: None,
            sequence: 0,
            has_keyframe: false,
            has_warned: false,
            end: PushEnd::Left,
            last_frame: None,
            _permit: permit,
        })
    }

    /// Returns the name of the stream.
    pub fn name(&self) -> &StreamName {
        &self.request.name
    }

    /// Returns the number of frames accepted so far.
    pub fn accepted(&self) -> u64 {
        self.sequence
    }

    /// Waits until another client has taken the name over.
    pub fn replaced(&self) -> WaitForCancellationFutureOwned {
        self.reservation.replaced.clone().cancelled_owned()
    }

    /// Returns how long a client that cannot be pinged may send nothing: five of its intervals, at least
    /// `MIN_PATIENCE` and at most `MAX_PATIENCE`, which also holds until the interval is known.
    pub fn patience(&self) -> Duration {
        match self.last_frame {
            None => MIN_PATIENCE,
            Some((_, None)) => MAX_PATIENCE,
            Some((_, Some(interval))) => (5 * interval).clamp(MIN_PATIENCE, MAX_PATIENCE),
        }
    }

    /// Returns the time from which the client counts as silent, if no further frame is accepted.
    pub fn silent_from(&self) -> Instant {
        self.last_frame.map_or_else(Instant::now, |(at, _)| at) + self.patience()
    }

    /// Returns whether another client has taken the name over.
    pub fn is_replaced(&self) -> bool {
        self.reservation.replaced.is_cancelled()
    }

    /// Counts a text message, which no publisher needs to send.
    pub fn ignore_text(&self) {
        self.streams.counters.refuse(RefusedFrame::Text);
    }

    /// Ends the stream for this reason.
    pub fn end(mut self, reason: PushEnd) {
        self.end = reason;
    }

    /// Publishes the bytes of one frame, the first of which arrived at `arrived_at`.
    ///
    /// # Errors
    /// Fails if they are no frame, or exceed a limit. The stream may continue, unless the refusal is the last.
    pub fn push(&mut self, bytes: Vec<u8>, arrived_at: Timestamp) -> Result<(), Refusal> {
        let now = Instant::now();
        if let Err((what, message)) = self.pace.admit(bytes.len(), now) {
            return Err(self.refuse(what, message));
        }
        let check = match &mut self.check {
            Some(check) => check,
            none => match codec_of(&bytes) {
                Some(codec) => none.insert(PayloadCheck::new(codec)),
                None => {
                    let message = "neither a JPEG nor an access unit of H.264 with start codes";
                    return Err(self.refuse(RefusedFrame::Invalid, message.into()));
                }
            },
        };
        match check.check(bytes) {
            Ok(Some(frame)) if frame.is_keyframe || self.has_keyframe => {
                self.publish(frame, arrived_at)
            }
            // Not an offence: a client that begins in the middle of a GOP has a keyframe later, and so has one of which a frame was
            // refused.
            Ok(_) => {
                self.streams.counters.refuse(RefusedFrame::NoKeyframe);
                Ok(())
            }
            Err(message) => Err(self.refuse(RefusedFrame::Invalid, message)),
        }
    }

    fn publish(&mut self, frame: CheckedFrame, arrived_at: Timestamp) -> Result<(), Refusal> {
        let CheckedFrame { payload, is_keyframe, size } = frame;
        let codec = self.check.as_ref().map(PayloadCheck::codec);
        let opened = match (&mut self.opened, codec) {
            (Some(opened), _) => opened,
            (none, Some(codec)) => {
                match self.streams.open(&self.reservation, &self.request, codec, size) {
                    Ok(opened) => none.insert(opened),
                    Err(error) => {
                        self.streams.counters.refuse(RefusedFrame::Name);
                        return Err(Refusal::conflict(&error));
                    }
                }
            }
            (None, None) => return Ok(()),
        };
        if opened.meter.set_size(size) {
            self.streams.update(self.reservation.id, &opened.meter);
        }
        let received_at = clock::now();
        let times = FrameTimes {
            captured_at: plausible(arrived_at, received_at),
            read_at: received_at,
            published_at: received_at,
        };
        let (width, height) = size;
        let flags = FrameFlags::keyframe(is_keyframe);
        let meta = FrameMeta { sequence: self.sequence, times, flags, width, height };
        self.sequence += 1;
        self.has_keyframe = true;
        self.pace.accept();
        let now = Instant::now();
        self.last_frame = Some((now, self.last_frame.map(|(before, _)| now - before)));
        opened.meter.count_published(payload.len());
        self.streams.counters.accept(self.request.transport, payload.len());
        if let Some(bus) = &opened.bus {
            bus.publish(meta, &payload);
        }
        let gap = Gap::Lost(0);
        opened.feed.push(IncomingFrame { meta, received_at, payload, gap });
        Ok(())
    }

    /// Notes a frame that is refused for this reason.
    pub fn refuse(&mut self, what: RefusedFrame, message: String) -> Refusal {
        self.streams.counters.refuse(what);
        // Later deltas may refer to it.
        self.has_keyframe = false;
        if let Some(opened) = &self.opened {
            opened.meter.count_refused();
        }
        if !std::mem::replace(&mut self.has_warned, true) {
            let (stream, client) = (&self.request.name, &self.request.client);
            tracing::warn!(%stream, client, reason = message, "frames of a publisher are refused");
        }
        let is_last = self.pace.refuse(Instant::now());
        Refusal { message, what, is_last }
    }
}

impl Refusal {
    fn conflict(error: &Error) -> Self {
        Self { message: error.to_string(), what: RefusedFrame::Name, is_last: true }
    }
}

impl Drop for PushedStream {
    fn drop(&mut self) {
        let reason = if self.is_replaced() { PushEnd::Replaced } else { self.end };
        let Request { name, access, client, transport, .. } = &self.request;
        self.streams.counters.end(*transport, reason);
        tracing::info!(
            access = access.as_deref(),
            stream = %name,
            client,
            transport = transport.as_str(),
            frames = self.sequence,
            reason = reason.as_str(),
            "publishing ends"
        );
        self.streams.end(self.reservation.id, name, reason);
    }
}

/// Returns the capture time of a frame that is complete at `received_at`: as it is stated, but neither later nor more than
/// [`MAX_AGE`] earlier.
fn plausible(captured_at: Timestamp, received_at: Timestamp) -> Timestamp {
    let earliest = received_at.offset(-(MAX_AGE.as_micros() as i64));
    captured_at.clamp(earliest, received_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_time_is_neither_in_the_future_nor_long_ago() {
        let at = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000);
        for (stated, expected) in [(99, 99), (100, 100), (101, 100), (90, 90), (89, 90), (0, 90)] {
            assert_eq!(plausible(at(stated), at(100)), at(expected), "{stated}");
        }
    }
}
