//! The list of streams, as `/api/streams` and `fanlight.v1` give it.

use fanlight_protocol::TrackEntry;
use fanlight_protocol::viewer::{ListenEntry, StreamInfo, TrackInfo};

use crate::hub::{Hub, Stream};
use crate::ingest::Ingest;

/// All streams, by name.
pub fn streams(hub: &Hub) -> Vec<StreamInfo> {
    hub.streams().iter().map(|stream| info(stream)).collect()
}

/// What the relay listens to.
pub fn listening(ingest: &Ingest) -> Vec<ListenEntry> {
    let entries = ingest.listening().into_iter().map(|listening| ListenEntry {
        endpoint: listening.place,
        heard: listening.heard,
        connected: listening.connected,
        since: listening.since,
        problem: listening.problem,
    });
    entries.collect()
}

fn info(stream: &Stream) -> StreamInfo {
    let status = stream.status();
    let newest = stream
        .tracks()
        .iter()
        .filter(|track| track.viewers() > 0)
        .filter_map(|track| track.newest())
        .max_by_key(|frame| frame.received_at);
    let age = newest.map(|frame| frame.received_at.since(frame.captured_at).as_secs_f64() * 1e3);
    StreamInfo {
        name: stream.name().clone(),
        state: status.state,
        reason: status.reason.clone(),
        since: status.since,
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
