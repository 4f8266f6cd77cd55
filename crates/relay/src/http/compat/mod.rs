//! The addresses of other servers, so that their clients work unchanged. docs/migrating.md describes them.
//!
//! - [`mjpg_streamer`] answers `/?action=stream` and `/?action=snapshot`;
//! - [`ustreamer`] answers `/state`; `/stream` and `/snapshot`, which web_video_server has too, are below;
//! - [`go2rtc`] answers `/api/ws`;
//! - [`aiohttp`] has the viewing side of the aiohttp server that is the ancestor of this project.
//!
//! They pass the same checks as the relay's own addresses and send the same frames: only the names differ. The routes are
//! in `http::routes`.

pub mod aiohttp;
pub mod go2rtc;
pub mod mjpg_streamer;
pub mod ustreamer;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::Response;

use crate::context::Context;
use crate::egress::target::Target;
use crate::error::Error;
use crate::http::client::Client;
use crate::http::error::HttpError;
use crate::http::viewing;

type Shared = State<Arc<Context>>;

/// Longest wait for a snapshot: some clients give up after 2 s.
pub const SNAPSHOT_TIMEOUT: Duration = Duration::from_millis(1800);
/// Values of `type` at web_video_server that are not MJPEG.
const OTHER_TYPES: [&str; 4] = ["png", "vp8", "vp9", "h264"];

/// The query of a request. Clients add keys of their own, and some a value that only defeats a cache.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Returns the query of an address.
    pub fn of(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs))
    }

    /// Returns the first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Returns the stream that the first of these keys names; without any, the first stream.
    fn target(&self, keys: &[&str]) -> Target {
        Target::of_id(keys.iter().find_map(|key| self.get(key)))
    }

    /// Refuses a topic in a form that the relay does not send.
    fn check_type(&self) -> Result<(), Error> {
        match (self.get("topic"), self.get("type")) {
            (Some(_), Some(kind)) if OTHER_TYPES.contains(&kind) => Err(Error::invalid(format!(
                "type={kind} is not available: this address sends MJPEG; for H.264 use /streams/NAME/ws?codec=h264"
            ))),
            _ => Ok(()),
        }
    }
}

/// `/stream` of µStreamer (`stream`) and of web_video_server (`topic`), and `/stream_video`.
pub async fn stream(
    State(context): Shared,
    uri: Uri,
    client: Client,
) -> Result<Response, HttpError> {
    let parameters = Parameters::of(&uri);
    parameters.check_type()?;
    viewing::watch_mjpeg(context, client, &parameters.target(&["stream", "topic"])).await
}

/// `/snapshot` of µStreamer and of web_video_server, and `/get_one_image`.
pub async fn snapshot(
    State(context): Shared,
    uri: Uri,
    client: Client,
) -> Result<Response, HttpError> {
    let target = Parameters::of(&uri).target(&["stream", "topic"]);
    viewing::take_snapshot_within(SNAPSHOT_TIMEOUT, &context, &client, &target).await
}

/// `/api/stream.mjpeg` of go2rtc.
pub async fn go2rtc_stream(
    State(context): Shared,
    uri: Uri,
    client: Client,
) -> Result<Response, HttpError> {
    viewing::watch_mjpeg(context, client, &Parameters::of(&uri).target(&["src"])).await
}

/// `/api/frame.jpeg` of go2rtc.
pub async fn go2rtc_frame(
    State(context): Shared,
    uri: Uri,
    client: Client,
) -> Result<Response, HttpError> {
    let target = Parameters::of(&uri).target(&["src"]);
    viewing::take_snapshot_within(SNAPSHOT_TIMEOUT, &context, &client, &target).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::of(&format!("/stream?{query}").parse().unwrap())
    }

    #[test]
    fn the_first_known_key_names_the_stream_and_others_are_ignored() {
        let target = |query: &str| parameters(query).target(&["stream", "topic"]);
        assert_eq!(target("key=x&advance_headers=1&1733"), Target::At(0));
        assert_eq!(target("_=1&stream=door&stream=yard&topic=/x"), Target::Named("door".into()));
        assert_eq!(target("topic=door"), Target::Named("door".into()));
        assert!(matches!(target("topic=%2Fdoor%2Fimage_raw"), Target::AnyOf { .. }));
    }

    #[test]
    fn a_topic_is_sent_as_mjpeg_only() {
        for (query, accepted) in [
            ("topic=/a&type=mjpeg", true),
            ("topic=/a&type=ros_compressed", true),
            ("stream=a&type=h264", true),
            ("topic=/a&type=vp8", false),
            ("topic=/a&type=h264", false),
        ] {
            assert_eq!(parameters(query).check_type().is_ok(), accepted, "{query}");
        }
    }
}
