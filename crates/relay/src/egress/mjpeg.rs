//! `/streams/NAME/mjpeg`: multipart/x-mixed-replace, for `<img>`, VLC, ffmpeg and OpenCV.
//!
//! When no frame arrives for a while, a no-signal picture states the reason, because the last frame would pass as live.
//! Sending it also detects a viewer that is gone.
//!
//! The boundary that ends a part is sent with that part, not with the next one: many clients show a picture only when
//! they have received its end.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use fanlight_clock as clock;
use fanlight_protocol::{StreamState, Timestamp};
use futures_util::future::Either;
use tokio::time::Instant;

use super::abr::{AdaptiveViewer, SingleViewer};
use super::frame_protocol::{
    FrameProtocol, Resume, SendHandle, SendTimer, requeue, send_next_frame,
};
use super::seconds;
use crate::access::{Action, Credentials};
use crate::connection::{PacedWriter, RawConnection, Socket};
use crate::context::Context;
use crate::stats::labels::{CloseReason, DropReason};
use crate::wake::Waker;

/// The line between the parts of a response (RFC 2046, section 5.1.1): at most 70 characters.
///
/// It is random, so that a camera cannot know it and write it into a picture. All responses of a process share it, so
/// that it is sent with each frame without a copy.
struct Boundary {
    first: String,
    next: String,
    content_type: HeaderValue,
}

impl Boundary {
    fn of_this_process() -> &'static Self {
        static BOUNDARY: OnceLock<Boundary> = OnceLock::new();
        BOUNDARY.get_or_init(|| Self::new(unpredictable(), unpredictable()))
    }

    fn new(one: u64, two: u64) -> Self {
        let boundary = format!("fanlight-{one:016x}{two:016x}");
        let content_type = format!("multipart/x-mixed-replace; boundary={boundary}");
        Self {
            first: format!("--{boundary}\r\n"),
            next: format!("\r\n--{boundary}\r\n"),
            content_type: HeaderValue::try_from(content_type).expect("letters and digits"),
        }
    }
}

/// Returns a hash of nothing under the keys that the standard library takes from the system's random numbers.
fn unpredictable() -> u64 {
    RandomState::new().hash_one(())
}

/// Time without a frame after which the viewer is sent a no-signal picture, and the interval at which it is repeated.
const NO_SIGNAL_AFTER: Duration = Duration::from_secs(5);
/// While capture reports a slow camera as live, it has this many of its usual frame intervals, and this time at most: a
/// camera with a frame every 30 s is the slowest that capture waits for.
const NO_SIGNAL_INTERVALS: u32 = 2;
const MAX_NO_SIGNAL_AFTER: Duration = Duration::from_secs(60);
/// Longest head of a part: three lines with the longest numbers.
const PART_HEAD: usize = 160;

/// Returns the head of the response. Its body ends with the connection.
pub fn head() -> Response {
    let body = futures_util::stream::empty::<io::Result<Bytes>>();
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, Boundary::of_this_process().content_type.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Sends one stream over a connection until either side ends it; returns the reason.
pub async fn serve(
    raw: RawConnection,
    viewer: AdaptiveViewer,
    waker: Waker,
    context: &Context,
    credentials: &Credentials,
) -> CloseReason {
    let RawConnection { stream, read, head } = raw;
    // Nothing that the client sent matters, and it occupies a buffer of 8 KiB.
    drop(read);
    let socket = stream.socket().clone();
    let viewer = SingleViewer::new(viewer);
    let sender =
        MjpegSender { viewer, waker: waker.clone(), sent_at: clock::now(), shows_no_signal: false };
    let handle = SendHandle::new(sender, PacedWriter::new(stream));
    let first = Boundary::of_this_process().first.as_bytes();
    let started = handle.with(|_, writer| writer.send(&head, &Bytes::new(), first));
    drop(head);
    let ended = match started {
        Ok(()) => send_parts(&handle, &socket, &waker, context, credentials).await,
        Err(error) => Err(error),
    };
    let reason = match ended {
        Ok(reason) => {
            handle.with(|_, writer| writer.shut_down());
            reason
        }
        Err(_) => handle.abort(&context.stop),
    };
    handle.close(reason);
    reason
}

async fn send_parts(
    handle: &SendHandle<MjpegSender>,
    socket: &Arc<Socket>,
    waker: &Waker,
    context: &Context,
    credentials: &Credentials,
) -> io::Result<CloseReason> {
    let mut stopped = pin!(context.stop.cancelled());
    let mut left = pin!(client_left(socket));
    let stream = handle.with(|sender, _| sender.viewer.get_mut().stream().name().clone());
    let mut withdrawn = pin!(context.access.withdrawn(Action::View, Some(&stream), credentials));
    let mut timer = SendTimer::new(Instant::now() + NO_SIGNAL_AFTER);
    loop {
        let next = handle.send(&context.stop).await?;
        let woken = match next {
            Resume::Soon => Either::Left(requeue()),
            Resume::At(_) | Resume::OnWake => Either::Right(waker.woken()),
        };
        let until_no_signal = || handle.with(|sender, _| sender.until_no_signal());
        let no_signal_at = Instant::now() + until_no_signal();
        tokio::select! {
            biased;
            () = &mut stopped => return Ok(CloseReason::Ending),
            () = &mut left => return Ok(CloseReason::Left),
            _ = &mut withdrawn => return Ok(CloseReason::Withdrawn),
            () = woken => {}
            is_due = timer.wait(next, no_signal_at) => {
                // The dispatcher may have sent frames since, without this task.
                if !is_due && until_no_signal().is_zero() {
                    handle.with(|sender, writer| sender.send_no_signal(writer, context))?;
                }
            }
        }
    }
}

/// Waits until the client closes its side. Anything that it sends is ignored.
async fn client_left(socket: &Socket) {
    let mut bytes = [0; 512];
    loop {
        let readable = poll_fn(|cx| socket.poll_readable(cx)).await;
        match readable.and_then(|()| socket.try_read(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

fn send_part(writer: &mut PacedWriter, payload: &Bytes, captured_at: Timestamp) -> io::Result<()> {
    let mut head = [0; PART_HEAD];
    let mut rest = &mut head[..];
    write!(
        rest,
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n\r\n",
        payload.len(),
        seconds(captured_at)
    )
    .expect("the longest numbers fit");
    let length = PART_HEAD - rest.len();
    writer.send(&head[..length], payload, Boundary::of_this_process().next.as_bytes())
}

struct MjpegSender {
    viewer: SingleViewer,
    waker: Waker,
    /// The moment when a part was last sent.
    sent_at: Timestamp,
    /// True if that part was a no-signal picture.
    shows_no_signal: bool,
}

impl MjpegSender {
    /// Returns the time until a no-signal picture is due, unless a frame arrives or something is sent. A viewer that asked
    /// for few or delayed frames is not idle.
    fn until_no_signal(&mut self) -> Duration {
        let viewer = self.viewer.get_mut();
        let newest = viewer.track().newest();
        let newest = newest.map_or(Timestamp::default(), |frame| frame.received_at);
        let idle_for = clock::now().since(newest.max(self.sent_at));
        let is_live = !self.shows_no_signal && viewer.stream().status().state == StreamState::Live;
        let usual = viewer.track().usual_gap().filter(|_| is_live).unwrap_or_default();
        let limit = (usual * NO_SIGNAL_INTERVALS).clamp(NO_SIGNAL_AFTER, MAX_NO_SIGNAL_AFTER);
        limit.saturating_sub(idle_for)
    }

    /// Sends a no-signal picture. Everything sent before must be with the kernel.
    fn send_no_signal(&mut self, writer: &mut PacedWriter, context: &Context) -> io::Result<()> {
        let picture = context.no_signal.picture(self.viewer.get_mut().stream());
        (self.sent_at, self.shows_no_signal) = (clock::now(), true);
        send_part(writer, &picture, self.sent_at)
    }
}

impl FrameProtocol for MjpegSender {
    fn send_next(&mut self, writer: &mut PacedWriter) -> io::Result<Resume> {
        let Self { viewer, sent_at, shows_no_signal, .. } = self;
        send_next_frame(viewer.adapt(writer), writer, |writer, frame| {
            (*sent_at, *shows_no_signal) = (clock::now(), false);
            send_part(writer, &frame.payload, frame.captured_at())
        })
    }

    fn on_backpressure(&mut self) {
        self.viewer.get_mut().set_drop_reason(DropReason::Link);
    }

    fn on_close(&mut self, reason: CloseReason) {
        self.viewer.get_mut().close(reason);
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_random_and_valid_by_rfc_2046() {
        let boundaries: Vec<String> = (0..100)
            .map(|_| Boundary::new(unpredictable(), unpredictable()))
            .map(|boundary| boundary.first.trim_start_matches("--").trim_end().to_owned())
            .collect();
        for boundary in &boundaries {
            assert!(boundary.len() <= 70, "{boundary}");
            assert!(boundary.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{boundary}");
        }
        let different: std::collections::HashSet<_> = boundaries.iter().collect();
        assert_eq!(different.len(), boundaries.len());
    }

    #[test]
    fn a_process_keeps_its_boundary() {
        let boundary = Boundary::of_this_process();
        assert_eq!(boundary.first, Boundary::of_this_process().first);
        assert_eq!(boundary.next, format!("\r\n{}", boundary.first));
        let name = boundary.first.trim_start_matches("--").trim_end();
        assert!(boundary.content_type.to_str().unwrap().ends_with(&format!("boundary={name}")));
    }
}
