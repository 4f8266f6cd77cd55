//! The list of streams, as `/api/streams` and `fanlight.v1` send it.

use std::time::Duration;

use fanlight_protocol::TrackEntry;
use fanlight_protocol::viewer::{ListedState, ListenEntry, StreamInfo, TrackInfo};

use crate::access::Identity;
use crate::hub::{Hub, Stream};
use crate::ingest::Ingest;

/// Returns the streams that a client may see, sorted by name.
pub fn streams(hub: &Hub, client: &Identity) -> Vec<StreamInfo> {
    let streams = hub.streams();
    let visible = streams.iter().filter(|stream| client.sees(stream.name()));
    visible.map(|stream| info(stream)).collect()
}

/// Returns the bus endpoints and folders that the relay listens to. A client that may see some streams only does not
/// learn where the others come from.
pub fn listening(ingest: &Ingest, client: &Identity) -> Vec<ListenEntry> {
    if !client.sees_everything() {
        return Vec::new();
    }
    let entries = ingest.listening().into_iter().map(|listening| ListenEntry {
        endpoint: listening.address.to_string(),
        heard: listening.heard,
        connected: listening.connected,
        since: listening.since,
        reason: listening.reason,
    });
    entries.collect()
}

/// Returns the age of the newest frame when it arrived; `None` while the stream has no viewers.
pub fn arrival_age(stream: &Stream) -> Option<Duration> {
    let tracks = stream.tracks();
    let watched = tracks.iter().filter(|track| track.viewers() > 0);
    let newest =
        watched.filter_map(|track| track.newest()).max_by_key(|frame| frame.received_at)?;
    Some(newest.received_at.since(newest.captured_at()))
}

fn info(stream: &Stream) -> StreamInfo {
    let status = stream.status();
    let (state, reason, since) = match (status.frozen_since(), stream.late()) {
        (Some(since), _) => (ListedState::Frozen, status.reason.clone(), since),
        (None, Some(late)) => (ListedState::Late, late.reason(), late.since),
        (None, None) => (status.state.into(), status.reason.clone(), status.since),
    };
    let age = arrival_age(stream).map(|age| age.as_secs_f64() * 1e3);
    StreamInfo {
        name: stream.name().clone(),
        state,
        reason,
        since,
        gone: status.gone,
        source: status.source.clone(),
        tracks: status.tracks.iter().map(|entry| track(stream, entry)).collect(),
        viewers: stream.viewers(),
        frame_age_ms: age,
    }
}

fn track(stream: &Stream, entry: &TrackEntry) -> TrackInfo {
    TrackInfo {
        rendition: entry.name.rendition.clone(),
        codec: entry.name.codec,
        width: entry.width,
        height: entry.height,
        fps: f64::from(entry.millifps) / 1000.0,
        bitrate: entry.bitrate,
        dropped: entry.dropped,
        lost: stream.known_track(&entry.name).map_or(0, |track| track.lost()),
    }
}
