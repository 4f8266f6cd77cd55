//! `/streams/NAME/snapshot`: the newest JPEG.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use fanlight_clock as clock;

use super::seconds;
use crate::hub::{Frame, NextSend, Viewer};
use crate::no_signal::NoSignal;
use crate::wake::Waker;

/// Longest wait for a recent frame.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// Greatest age of a recent frame.
pub const MAX_AGE: Duration = Duration::from_secs(2);
/// Seconds after which a client may retry.
const RETRY_AFTER: &str = "3";

/// Responds with the newest frame, or after [`TIMEOUT`] with a no-signal picture.
pub async fn respond(mut viewer: Viewer, waker: Waker, no_signal: &NoSignal) -> Response {
    match tokio::time::timeout(TIMEOUT, recent_frame(&mut viewer, &waker)).await {
        Ok(frame) => frame_response(&frame),
        Err(_) => no_signal_response(&viewer, no_signal),
    }
}

async fn recent_frame(viewer: &mut Viewer, waker: &Waker) -> Arc<Frame> {
    loop {
        while let NextSend::Frame { frame, .. } = viewer.next(clock::now()) {
            if clock::now().since(frame.captured_at()) < MAX_AGE {
                return frame;
            }
        }
        waker.woken().await;
    }
}

fn frame_response(frame: &Frame) -> Response {
    let mut response = jpeg(StatusCode::OK, Body::from(frame.payload.clone()));
    let timestamp =
        HeaderValue::try_from(seconds(frame.captured_at()).to_string()).expect("digits and a dot");
    response.headers_mut().insert("x-timestamp", timestamp);
    response
}

fn no_signal_response(viewer: &Viewer, no_signal: &NoSignal) -> Response {
    let body = no_signal.picture(viewer.stream());
    let mut response = jpeg(StatusCode::SERVICE_UNAVAILABLE, Body::from(body));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

fn jpeg(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
