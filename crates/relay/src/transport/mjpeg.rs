//! `/streams/NAME/mjpeg`: multipart/x-mixed-replace, for `<img>`, VLC, ffmpeg and OpenCV.
//!
//! When no frame comes for a while, a drawn picture says why: the last one would pass as live. It also finds out whether
//! the viewer is still there.
//!
//! The boundary that ends a part is sent with it and not with the next one: many clients show a picture only when they
//! see where it ends.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use fanlight_bus::clock;
use futures_util::stream;
use tokio::time::timeout;

use super::seconds;
use crate::closes::Why;
use crate::context::Context;
use crate::hub::{Bell, Frame, Next, Viewer};
use crate::limits::Permit;
use crate::server::Gauge;
use crate::server::answer::{self, Piece, piece};
use crate::traffic::{Held, Transport};

const FIRST_BOUNDARY: &[u8] = b"--fanlight\r\n";
const NEXT_BOUNDARY: &[u8] = b"\r\n--fanlight\r\n";
const CONTENT_TYPE: &str = "multipart/x-mixed-replace; boundary=fanlight";
/// Without a frame for this long the viewer is shown why, and shown it again as often.
const SILENCE: Duration = Duration::from_secs(5);
/// Room for a part's head, with some to spare.
const PART_HEAD: usize = 128;

/// Whoever watches, and by which connection.
#[derive(Debug)]
pub struct Watcher {
    /// What is watched.
    pub viewer: Viewer,
    /// Rings when there may be a frame.
    pub bell: Bell,
    /// How the connection stands.
    pub gauge: Gauge,
    /// Its place among all viewers.
    pub permit: Permit,
}

/// The endless answer for one viewer.
pub fn answer(watcher: Watcher, context: Arc<Context>) -> Response {
    let parts = Parts { watcher, context, heads: BytesMut::new(), begun: false };
    let parts = stream::unfold(parts, |mut parts| async move {
        let part = parts.next().await.transpose()?;
        Some((part, parts))
    });
    let mut response = answer::in_pieces(Box::pin(parts));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Watcher {
    async fn frame(&mut self) -> io::Result<Arc<Frame>> {
        loop {
            let now = clock::now();
            let due = match self.gauge.wait(now)? {
                Some(later) => {
                    self.viewer.hold(Held::Link);
                    Some(later)
                }
                None => match self.viewer.next(now) {
                    Next::Frame(frame, _) => return Ok(frame),
                    Next::At(due) => Some(due),
                    Next::Nothing => None,
                },
            };
            match due {
                // A wait without a queue on the way is short: the bell may as well be heard after it.
                Some(due) => tokio::time::sleep(due.since(now)).await,
                None => self.bell.rung().await,
            }
        }
    }
}

struct Parts {
    watcher: Watcher,
    context: Arc<Context>,
    /// Where heads are written; its memory is used again once they are sent.
    heads: BytesMut,
    begun: bool,
}

impl Parts {
    /// hyper asks for the next part only when it has sent the last one, so the newest frame is chosen as late as can be.
    async fn next(&mut self) -> io::Result<Option<Piece>> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(piece(Bytes::from_static(FIRST_BOUNDARY), Bytes::new(), Bytes::new())));
        }
        let frame = timeout(SILENCE, self.watcher.frame());
        let Some(frame) = self.context.stop.run_until_cancelled(frame).await else {
            return Ok(None);
        };
        let (payload, taken_at) = match frame {
            Ok(frame) => frame.map(|frame| (frame.payload.clone(), frame.captured_at))?,
            Err(_) => (self.context.no_signal.picture(self.watcher.viewer.stream()), clock::now()),
        };
        self.heads.reserve(PART_HEAD);
        write!(
            self.heads,
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n\r\n",
            payload.len(),
            seconds(taken_at)
        )
        .expect("writing to memory does not fail");
        let boundary = Bytes::from_static(NEXT_BOUNDARY);
        Ok(Some(piece(self.heads.split().freeze(), payload, boundary)))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let why = match (self.watcher.gauge.has_stalled(), self.context.stop.is_cancelled()) {
            (true, _) => Why::Stalled,
            (false, true) => Why::Ending,
            (false, false) => Why::Left,
        };
        self.context.closes.count(Transport::Mjpeg, why);
    }
}
