//! mjpg-streamer: `/?action=stream` and `/?action=snapshot`, with `_N` for its N-th input.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::{Parameters, SNAPSHOT_TIMEOUT, Shared};
use crate::egress::target::Target;
use crate::error::Error;
use crate::http::client::Client;
use crate::http::error::HttpError;
use crate::http::viewing;

/// Returns whether a request for `/` is one of mjpg-streamer's clients.
pub fn has_action(uri: &Uri) -> bool {
    uri.path() == "/" && Parameters::of(uri).get("action").is_some()
}

/// An action that the relay performs, on the input with this number.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Stream(usize),
    Snapshot(usize),
}

impl Action {
    /// Parses the value of `action`. Clients append `_N`, and some a second `?` to defeat caches.
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest): (fn(usize) -> Self, &str) = match text.strip_prefix("stream") {
            Some(rest) => (Self::Stream, rest),
            None => (Self::Snapshot, text.strip_prefix("snapshot")?),
        };
        let number = match rest.strip_prefix('_') {
            Some(digits) => digits,
            None if rest.starts_with(|next: char| next.is_ascii_alphanumeric()) => return None,
            None => "",
        };
        let end = number.find(|next: char| !next.is_ascii_digit()).unwrap_or(number.len());
        match &number[..end] {
            "" => Some(kind(0)),
            digits => digits.parse().ok().map(kind),
        }
    }
}

/// Performs the action.
pub async fn act(State(context): Shared, uri: Uri, client: Client) -> Result<Response, HttpError> {
    let parameters = Parameters::of(&uri);
    let action = parameters.get("action").unwrap_or_default();
    let target = |number| match parameters.get("stream") {
        Some(id) => Target::of_id(Some(id)),
        None => Target::At(number),
    };
    match Action::parse(action) {
        Some(Action::Stream(number)) => {
            viewing::watch_mjpeg(context, client, &target(number)).await
        }
        Some(Action::Snapshot(number)) => {
            let target = target(number);
            viewing::take_snapshot_within(SNAPSHOT_TIMEOUT, &context, &client, &target).await
        }
        None => {
            let message =
                "unknown action; known are: stream, snapshot, each with _N or stream=NAME";
            Err(Error::NotFound(message.into()).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_may_have_the_number_of_an_input() {
        for (text, action) in [
            ("stream", Some(Action::Stream(0))),
            ("stream_1", Some(Action::Stream(1))),
            ("snapshot", Some(Action::Snapshot(0))),
            ("snapshot_0", Some(Action::Snapshot(0))),
            ("snapshot_12", Some(Action::Snapshot(12))),
            ("stream_", Some(Action::Stream(0))),
            ("stream?1733", Some(Action::Stream(0))),
            ("stream_2?1733", Some(Action::Stream(2))),
            ("streams", None),
            ("take", None),
            ("command", None),
            ("", None),
            ("snapshot_99999999999999999999999", None),
        ] {
            assert_eq!(Action::parse(text), action, "{text}");
        }
    }

    #[test]
    fn only_an_action_at_the_root_is_one_of_mjpg_streamer() {
        let has = |uri: &str| has_action(&uri.parse().unwrap());
        assert!(has("/?action=stream") && has("/?x=1&action=take"));
        assert!(!has("/") && !has("/?stream=door") && !has("/stream?action=stream"));
    }
}
