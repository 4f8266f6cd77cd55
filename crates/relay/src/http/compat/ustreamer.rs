//! µStreamer: `/state`.

use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use fanlight_protocol::{StreamState, TrackEntry, TrackName};
use serde_json::{Value, json};

use super::{Parameters, Shared};
use crate::http::client::Client;
use crate::http::error::HttpError;
use crate::hub::StreamStatus;

/// Answers with the state of one stream.
pub async fn state(
    State(context): Shared,
    uri: Uri,
    client: Client,
) -> Result<impl IntoResponse, HttpError> {
    let target = Parameters::of(&uri).target(&["stream"]);
    let identity = client.authorize_viewing(&context, &target)?;
    let stream = target.find(&context.hub, &identity)?;
    let described = describe(&stream.status(), stream.viewers());
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(described)))
}

/// Returns those of µStreamer's fields that the relay knows.
fn describe(status: &StreamStatus, viewers: u64) -> Value {
    let full = TrackName::full_jpeg();
    let track = status.tracks.iter().find(|track| track.name == full);
    let size = |side: fn(&TrackEntry) -> u32| track.map_or(0, side);
    let fps = track.map_or(0, |track| (track.millifps + 500) / 1000);
    let works = matches!(status.state, StreamState::Live | StreamState::Idle);
    let online = works && !status.gone && status.frozen_since().is_none();
    json!({
        "ok": true,
        "result": {
            "instance_id": "",
            "source": {
                "resolution": { "width": size(|track| track.width), "height": size(|track| track.height) },
                "online": online,
                "captured_fps": fps,
            },
            "stream": {
                "queued_fps": if viewers > 0 { fps } else { 0 },
                "clients": viewers,
                "clients_stat": {},
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use fanlight_protocol::Timestamp;
    use fanlight_protocol::catalog::FROZEN;

    use super::*;

    fn status(state: StreamState) -> StreamStatus {
        let track = TrackEntry {
            name: TrackName::full_jpeg(),
            width: 1280,
            height: 720,
            millifps: 29_970,
            bitrate: 14_000_000,
            published: 100,
            dropped: 0,
        };
        StreamStatus {
            state,
            reason: String::new(),
            since: Timestamp::default(),
            gone: false,
            source: "test".into(),
            tracks: vec![track],
        }
    }

    #[test]
    fn a_stream_with_viewers_has_its_size_and_rate() {
        let described = describe(&status(StreamState::Live), 3);
        let result = &described["result"];
        assert_eq!(result["source"]["resolution"], json!({ "width": 1280, "height": 720 }));
        assert_eq!(result["source"]["captured_fps"], 30);
        assert_eq!(result["stream"], json!({ "queued_fps": 30, "clients": 3, "clients_stat": {} }));
    }

    #[test]
    fn a_stream_is_online_if_a_viewer_would_see_live_pictures() {
        let online =
            |status: StreamStatus| describe(&status, 0)["result"]["source"]["online"].clone();
        assert_eq!(online(status(StreamState::Live)), true);
        assert_eq!(online(status(StreamState::Idle)), true);
        assert_eq!(online(status(StreamState::Offline)), false);
        assert_eq!(online(status(StreamState::Ended)), false);
        assert_eq!(online(StreamStatus { gone: true, ..status(StreamState::Idle) }), false);
        let frozen = StreamStatus { reason: FROZEN.into(), ..status(StreamState::Live) };
        assert_eq!(online(frozen), false);
    }

    #[test]
    fn a_stream_without_tracks_has_no_size() {
        let none = StreamStatus { tracks: vec![], ..status(StreamState::Offline) };
        let source = describe(&none, 0)["result"]["source"].clone();
        assert_eq!(source["resolution"], json!({ "width": 0, "height": 0 }));
    }
}
