//! `/streams/NAME/mjpeg`: multipart/x-mixed-replace, for `<img>`, VLC, ffmpeg and OpenCV.
//!
//! When no frame comes for a while, a drawn picture says why: the last one would pass as live. It also finds out whether
//! the viewer is still there.
//!
//! The boundary that ends a part is sent with it and not with the next one: many clients show a picture only when they
//! see where it ends.

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
use fanlight_protocol::Timestamp;
use futures_util::future::Either;
use tokio::time::Instant;

use super::abr::{AdaptiveViewer, Single};
use super::frame_protocol::{Alarm, FrameProtocol, SendHandle, Turn, requeue, take_turn};
use super::seconds;
use crate::connection::{PacedWriter, Raw, Socket};
use crate::context::Context;
use crate::stats::labels::CloseReason;
use crate::stats::labels::DropReason;
use crate::wake::Waker;

/// The line between the parts of an answer (RFC 2046, section 5.1.1): at most 70 characters.
///
/// It is random, so that a camera cannot know it and write it into a picture. All answers of a process share it: it is
/// sent with every frame, from where it lies.
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

/// A hash of nothing under the keys that the standard library takes from the system's random numbers.
fn unpredictable() -> u64 {
    RandomState::new().hash_one(())
}

/// Without a frame for this long the viewer is shown why, and shown it again as often.
const SILENCE: Duration = Duration::from_secs(5);
/// Longest head of a part: its three lines, with numbers of any length.
const PART_HEAD: usize = 160;

/// The answer's head. What follows it ends with the connection.
pub fn head() -> Response {
    let body = futures_util::stream::empty::<io::Result<Bytes>>();
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, Boundary::of_this_process().content_type.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Shows one stream over a connection until either side ends it; returns why.
pub async fn show(raw: Raw, tile: AdaptiveViewer, waker: Waker, context: &Context) -> CloseReason {
    let Raw { link, read, head } = raw;
    // Whatever it is, it lies in a buffer of 8 KiB.
    drop(read);
    let socket = link.socket().clone();
    let show = Show { single: Single::new(tile), waker: waker.clone(), sent_at: clock::now() };
    let handle = SendHandle::new(show, PacedWriter::new(link));
    let first = Boundary::of_this_process().first.as_bytes();
    let begun = handle.with(|_, writer| writer.send(&head, &Bytes::new(), first));
    drop(head);
    let ended = match begun {
        Ok(()) => parts(&handle, &socket, &waker, context).await,
        Err(error) => Err(error),
    };
    let why = match ended {
        Ok(why) => {
            handle.with(|_, writer| writer.shut_down());
            why
        }
        Err(_) => handle.break_off(&context.stop),
    };
    handle.close(why);
    why
}

async fn parts(
    handle: &SendHandle<Show>,
    socket: &Arc<Socket>,
    waker: &Waker,
    context: &Context,
) -> io::Result<CloseReason> {
    let mut stopped = pin!(context.stop.cancelled());
    let mut left = pin!(left(socket));
    let mut alarm = Alarm::new(Instant::now() + SILENCE);
    loop {
        let turn = handle.say(&context.stop).await?;
        let called = match turn {
            Turn::More => Either::Left(requeue()),
            Turn::At(_) | Turn::Done => Either::Right(waker.woken()),
        };
        let dark_for = || handle.with(|show, _| show.dark_for());
        let dark_at = Instant::now() + SILENCE.saturating_sub(dark_for());
        tokio::select! {
            biased;
            () = &mut stopped => return Ok(CloseReason::Ending),
            () = &mut left => return Ok(CloseReason::Left),
            () = called => {}
            turn_has_come = alarm.ring(turn, dark_at) => {
                // Frames may have been sent meanwhile, without this task.
                if !turn_has_come && dark_for() >= SILENCE {
                    handle.with(|show, writer| show.say_why(writer, context))?;
                }
            }
        }
    }
}

/// Waits until the client closes its side. There is nothing that it could say.
async fn left(socket: &Socket) {
    let mut bytes = [0; 512];
    loop {
        let readable = poll_fn(|cx| socket.stream.poll_read_ready(cx)).await;
        match readable.and_then(|()| socket.stream.try_read(&mut bytes)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
    }
}

fn part(writer: &mut PacedWriter, payload: &Bytes, taken_at: Timestamp) -> io::Result<()> {
    let mut head = [0; PART_HEAD];
    let mut room = &mut head[..];
    write!(
        room,
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n\r\n",
        payload.len(),
        seconds(taken_at)
    )
    .expect("there is room for the longest numbers");
    let length = PART_HEAD - room.len();
    writer.send(&head[..length], payload, Boundary::of_this_process().next.as_bytes())
}

struct Show {
    single: Single,
    waker: Waker,
    /// When a part was sent last.
    sent_at: Timestamp,
}

impl Show {
    /// For how long no frame came, and nothing was sent. A viewer that wished for few of them, or late, is not in the dark.
    fn dark_for(&mut self) -> Duration {
        let newest = self.single.viewer().track().newest();
        let newest = newest.map_or(Timestamp::default(), |frame| frame.received_at);
        clock::now().since(newest.max(self.sent_at))
    }

    /// Sends a picture that says why there is none, where what was sent before is with the kernel.
    fn say_why(&mut self, writer: &mut PacedWriter, context: &Context) -> io::Result<()> {
        let picture = context.no_signal.picture(self.single.viewer().stream());
        self.sent_at = clock::now();
        part(writer, &picture, self.sent_at)
    }
}

impl FrameProtocol for Show {
    fn speak(&mut self, writer: &mut PacedWriter) -> io::Result<Turn> {
        let Self { single, sent_at, .. } = self;
        take_turn(single.fitted(writer), writer, |writer, frame| {
            *sent_at = clock::now();
            part(writer, &frame.payload, frame.captured_at())
        })
    }

    fn waited(&mut self) {
        self.single.viewer().set_drop_reason(DropReason::Link);
    }

    fn closed(&mut self, why: CloseReason) {
        self.single.viewer().close(why);
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_random_and_as_rfc_2046_has_it() {
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
