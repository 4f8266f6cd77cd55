//! The catalog entry of one stream: its state, its tracks with their rates, and a warning if frames are dropped.

use std::time::Instant;

use fanlight_clock as clock;
use fanlight_protocol::{Codec, StreamEntry, StreamState, TrackEntry};

use super::ladder::Ladder;
use crate::encode::h264::SIDES;
use crate::meter::{DropRatio, RateMeter};
use crate::pixels::Size;
use crate::status::SourceStatus;

/// A track that drops more than this share is reported, once it had this many frames.
const TOLERATED_PERCENT: u64 = 10;
const MIN_FRAMES: u64 = 30;
const TOO_SLOW: &str = "this machine is too slow to process every frame";

/// Builds the entries of one stream.
#[derive(Debug)]
pub(super) struct CatalogEntry {
    /// One meter for each track.
    meters: Vec<RateMeter>,
    /// Set after a report that this machine is too slow.
    too_slow: bool,
}

impl CatalogEntry {
    /// Prepares the entries of a stream with these tracks.
    pub(super) fn new(ladder: &Ladder) -> Self {
        Self { meters: ladder.tracks().map(|_| RateMeter::default()).collect(), too_slow: false }
    }

    /// Builds the present entry. `watched` states whether any track is watched.
    pub(super) fn build(
        &mut self,
        status: &SourceStatus,
        watched: bool,
        ladder: &Ladder,
        now: Instant,
    ) -> StreamEntry {
        let report = status.report(watched);
        let (tracks, failure) = self.tracks(ladder, report.size, now);
        let is_live = report.state == StreamState::Live && report.reason.is_empty();
        let too_slow = self.check_speed(status, is_live);
        let clock_fault = report.clock_fault.filter(|_| is_live);
        let reason = match (failure, clock_fault) {
            (Some(failure), _) if is_live => failure,
            // Without numbers: every change of the reason is announced to all viewers.
            _ if too_slow => TOO_SLOW.into(),
            (_, Some(fault)) => fault.reason().into(),
            _ => report.reason,
        };
        StreamEntry {
            name: status.name().clone(),
            state: report.state,
            reason,
            since: report.since,
            source: status.source().into(),
            tracks,
        }
    }

    /// Returns the entries of the tracks, and the failure of the first one whose encoder has failed. Failed tracks have
    /// no entry, so that relays look for another one.
    fn tracks(
        &mut self,
        ladder: &Ladder,
        full: Size,
        now: Instant,
    ) -> (Vec<TrackEntry>, Option<String>) {
        let time = clock::at(now);
        let mut first_failure = None;
        let mut entries = Vec::new();
        for ((rendition, track), meter) in ladder.tracks().zip(&mut self.meters) {
            let entry = track.entry(rendition.size(full), meter, now);
            if let Some(failure) = track.failure(time) {
                first_failure.get_or_insert_with(|| format!("no {}: {failure}", entry.name));
            } else if is_possible(&entry) {
                entries.push(entry);
            }
        }
        (entries, first_failure)
    }

    /// Returns whether this machine is too slow for the stream, and logs a change of that. It begins with a share of
    /// dropped frames above [`TOLERATED_PERCENT`], and ends when none are dropped.
    fn check_speed(&mut self, status: &SourceStatus, is_live: bool) -> bool {
        let tolerated = if self.too_slow { 0 } else { TOLERATED_PERCENT };
        let ratios = self.meters.iter().map(RateMeter::drop_ratio);
        let worst =
            ratios.filter(|ratio| ratio.frames() >= MIN_FRAMES).max_by_key(DropRatio::percent);
        let excess = worst.filter(|ratio| is_live && ratio.percent() > tolerated);
        let was_too_slow = std::mem::replace(&mut self.too_slow, excess.is_some());
        let stream = status.name();
        match &excess {
            Some(ratio) if !was_too_slow => {
                tracing::warn!(%stream, "{TOO_SLOW}: {} % are dropped", ratio.percent());
            }
            None if was_too_slow => {
                tracing::info!(%stream, "this machine processes every frame again");
            }
            _ => {}
        }
        self.too_slow
    }
}

/// Returns whether the codec supports the track's size. An unknown size may be supported.
fn is_possible(track: &TrackEntry) -> bool {
    let possible = |side| side == 0 || SIDES.contains(&side);
    track.name.codec == Codec::Jpeg || possible(track.width) && possible(track.height)
}
