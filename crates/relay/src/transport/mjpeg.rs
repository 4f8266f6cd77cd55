//! `/streams/NAME/mjpeg`: multipart/x-mixed-replace, for `<img>`, VLC, ffmpeg and OpenCV.
//!
//! When no frame comes for a while, a drawn picture says why: the last one would pass as live. It also finds out whether
//! the viewer is still there.
//!
//! The boundary that ends a part is sent with it and not with the next one: many clients show a picture only when they
//! see where it ends.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use fanlight_bus::clock;
use futures_util::stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::no_signal::NoSignal;
use super::seconds;
use crate::hub::{Bell, Frame, Viewer};
use crate::limits::Permit;
use crate::traffic::Transport;

const FIRST_BOUNDARY: &[u8] = b"--fanlight\r\n";
const NEXT_BOUNDARY: &[u8] = b"\r\n--fanlight\r\n";
const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=fanlight";
/// Without a frame for this long the viewer is shown why, and shown it again as often.
const SILENCE: Duration = Duration::from_secs(5);
/// Room for a part's head, with some to spare.
const PART_HEAD: usize = 128;

/// The endless answer for one viewer.
pub fn answer(
    viewer: Viewer,
    bell: Bell,
    permit: Permit,
    no_signal: Arc<NoSignal>,
    stop: CancellationToken,
) -> Response {
    let parts = Parts {
        viewer,
        bell,
        stop,
        heads: BytesMut::new(),
        next: Chunk::Begin,
        no_signal,
        _permit: permit,
    };
    let chunks = stream::unfold(parts, |mut parts| async move {
        let chunk = parts.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), parts))
    });
    // Pinned here, so that the body is one allocation for the viewer's life.
    let chunks: Pin<Box<dyn stream::Stream<Item = _> + Send>> = Box::pin(chunks);
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn next_frame(viewer: &mut Viewer, bell: &Bell) -> Arc<Frame> {
    loop {
        if let Some(next) = viewer.try_next(Transport::Mjpeg, clock::now()) {
            return next.frame;
        }
        bell.notified().await;
    }
}

/// What goes out next.
enum Chunk {
    /// The boundary before the first part.
    Begin,
    /// A part's head, once there is a frame.
    Head,
    /// The picture.
    Payload(Bytes),
    /// The boundary after it.
    Boundary,
}

struct Parts {
    viewer: Viewer,
    bell: Bell,
    stop: CancellationToken,
    /// Where heads are written; its memory is used again once they are sent.
    heads: BytesMut,
    next: Chunk,
    no_signal: Arc<NoSignal>,
    _permit: Permit,
}

impl Parts {
    /// hyper asks for the next chunk only when it has room, so the newest frame is chosen as late as can be.
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.next, Chunk::Head) {
            Chunk::Begin => Some(Bytes::from_static(FIRST_BOUNDARY)),
            Chunk::Head => self.head().await,
            Chunk::Payload(payload) => {
                self.next = Chunk::Boundary;
                Some(payload)
            }
            Chunk::Boundary => Some(Bytes::from_static(NEXT_BOUNDARY)),
        }
    }

    async fn head(&mut self) -> Option<Bytes> {
        let frame = self
            .stop
            .run_until_cancelled(timeout(SILENCE, next_frame(&mut self.viewer, &self.bell)));
        let (payload, taken_at) = match frame.await? {
            Ok(frame) => (frame.payload.clone(), frame.captured_at),
            Err(_) => (self.no_signal.picture(self.viewer.stream()), clock::now()),
        };
        self.heads.reserve(PART_HEAD);
        write!(
            self.heads,
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n\r\n",
            payload.len(),
            seconds(taken_at)
        )
        .expect("writing to memory does not fail");
        self.next = Chunk::Payload(payload);
        Some(self.heads.split().freeze())
    }
}
