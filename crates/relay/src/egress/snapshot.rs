//! `/streams/NAME/snapshot`: the newest JPEG.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use fanlight_clock as clock;
use fanlight_protocol::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::seconds;
use crate::error::Error;
use crate::hub::{Frame, NextSend, Viewer};
use crate::no_signal::NoSignal;
use crate::wake::Waker;

/// Longest wait for a recent frame.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// Greatest age of a recent frame, unless the request states one.
pub const MAX_AGE: Duration = Duration::from_secs(2);
/// Ages that a request may state: no camera is faster, and an older picture is better taken from a recording.
const MAX_AGES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(60);
/// Seconds after which a client may retry.
const RETRY_AFTER: &str = "3";

/// The age up to which the client accepts a picture, as written: `200ms` or `1.5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge(Duration);

impl FromStr for MaxAge {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let seconds = |number: &str, unit: f64| {
            let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            number.parse::<f64>().ok().filter(|_| is_plain).map(|number| number * unit)
        };
        let seconds = match text.strip_suffix("ms") {
            Some(number) => seconds(number, 1e-3),
            None => text.strip_suffix('s').and_then(|number| seconds(number, 1.0)),
        };
        let age = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        age.filter(|age| MAX_AGES.contains(age)).map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(20).collect();
            Error::invalid(format!(
                "max_age={shown:?}: write 1ms to 60s, for example 200ms or 1.5s"
            ))
        })
    }
}

/// Responds with the newest frame. If there is no recent one until the deadline, responds with a no-signal picture.
///
/// # Errors
/// If the client states an age, returns [`Error::Unavailable`] with the age of the newest picture instead. The picture
/// of a frozen camera is as old as its first copy then.
pub async fn respond(
    mut viewer: Viewer,
    waker: Waker,
    max_age: Option<MaxAge>,
    deadline: Instant,
    no_signal: &NoSignal,
) -> Result<Response, Error> {
    let mut newest = None;
    let limit = max_age.map_or(MAX_AGE, |MaxAge(age)| age);
    let recent = recent_frame(&mut viewer, &waker, limit, max_age.is_some(), &mut newest);
    match (timeout_at(deadline, recent).await, max_age) {
        (Ok(frame), _) => Ok(frame_response(&frame, &viewer)),
        (Err(_), None) => Ok(no_signal_response(&viewer, no_signal)),
        (Err(_), Some(max_age)) => Err(Error::Unavailable(refusal(&viewer, newest, max_age))),
    }
}

/// Waits for a frame up to this age, and notes when the `newest` picture was taken.
async fn recent_frame(
    viewer: &mut Viewer,
    waker: &Waker,
    limit: Duration,
    refuses_copies: bool,
    newest: &mut Option<Timestamp>,
) -> Arc<Frame> {
    loop {
        while let NextSend::Frame { frame, .. } = viewer.next(clock::now()) {
            let copied_since = viewer.stream().status().frozen_since().filter(|_| refuses_copies);
            let taken_at = copied_since.unwrap_or(frame.captured_at());
            *newest = Some(taken_at);
            if clock::now().since(taken_at) <= limit {
                return frame;
            }
        }
        waker.woken().await;
    }
}

/// Returns why there is no picture of the age that the client accepts.
fn refusal(viewer: &Viewer, newest: Option<Timestamp>, MaxAge(limit): MaxAge) -> String {
    let limit = limit.as_millis();
    let status = viewer.stream().status();
    let cause =
        if status.reason.is_empty() { String::new() } else { format!(": {}", status.reason) };
    match newest {
        Some(taken_at) => {
            let age = clock::now().since(taken_at).as_millis();
            format!("the newest picture is {age} ms old, max_age is {limit} ms{cause}")
        }
        None => format!("there is no picture, max_age is {limit} ms{cause}"),
    }
}

fn frame_response(frame: &Frame, viewer: &Viewer) -> Response {
    let mut response = jpeg(StatusCode::OK, Body::from(frame.payload.clone()));
    let headers = response.headers_mut();
    headers.insert("x-timestamp", unix_seconds(frame.captured_at()));
    if let Some(since) = viewer.stream().status().frozen_since() {
        headers.insert("x-frozen-since", unix_seconds(since));
    }
    response
}

fn unix_seconds(timestamp: Timestamp) -> HeaderValue {
    HeaderValue::try_from(seconds(timestamp).to_string()).expect("digits and a dot")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit_and_limits() {
        for (text, millis) in [
            ("200ms", 200),
            ("1s", 1000),
            ("1.5s", 1500),
            ("60s", 60_000),
            ("60000ms", 60_000),
            ("1ms", 1),
        ] {
            assert_eq!(
                text.parse::<MaxAge>().unwrap(),
                MaxAge(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "", "s", "ms", "200", "0ms", "0.5ms", "61s", "-1s", "1e1s", "infs", "nans", "1m",
            "1 s", "1.2.3s", "1h",
        ] {
            let Err(Error::Invalid(why)) = text.parse::<MaxAge>() else {
                panic!("{text} is accepted")
            };
            assert!(why.contains("1ms to 60s"), "{why}");
        }
    }
}
