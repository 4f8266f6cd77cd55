//! The tracks that the relay watches at publishers, kept in step with those that viewers need.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fanlight_bus::PublisherId;
use fanlight_protocol::{Timestamp, Topic};

use crate::hub::Track;

/// The time for which a track stays watched after its last viewer left: a page that reloads finds it running.
const LINGER: Duration = Duration::from_secs(5);

/// A track of a publisher.
pub(super) type PublishedTrack = (PublisherId, Topic);

/// The tracks that are watched at publishers.
#[derive(Debug, Default)]
pub(super) struct Watches(HashMap<PublishedTrack, WatchedTrack>);

#[derive(Debug)]
struct WatchedTrack {
    /// The track that is fed.
    track: Arc<Track>,
    /// Start of the time without viewers; `None` while it has one.
    idle_since: Option<Timestamp>,
}

/// A step towards the tracks that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchStep {
    /// Watch this track, or feed another one with it.
    Watch(PublishedTrack),
    /// Watch it no longer.
    Unwatch(PublishedTrack),
}

impl Watches {
    /// Returns the changes after which all needed tracks are watched, and no other track for longer than [`LINGER`].
    pub(super) fn update<'a>(
        &mut self,
        needed: impl Iterator<Item = (&'a PublishedTrack, &'a Arc<Track>)>,
        now: Timestamp,
    ) -> Vec<WatchStep> {
        let mut changes = Vec::new();
        self.0.values_mut().for_each(|watch| {
            watch.idle_since.get_or_insert(now);
        });
        for (published, track) in needed {
            let watch = WatchedTrack { track: track.clone(), idle_since: None };
            let before = self.0.insert(published.clone(), watch);
            // A stream that was forgotten and announced again has new tracks.
            if before.is_none_or(|before| !Arc::ptr_eq(&before.track, track)) {
                changes.push(WatchStep::Watch(published.clone()));
            }
        }
        self.0.retain(|published, watch| {
            let stays = watch.idle_since.is_none_or(|since| now.since(since) < LINGER);
            if !stays {
                changes.push(WatchStep::Unwatch(published.clone()));
            }
            stays
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use fanlight_protocol::TrackName;

    use super::*;
    use crate::hub::fixture;

    const ONE: PublisherId = PublisherId(1);
    const TWO: PublisherId = PublisherId(2);

    fn published_by(publisher: PublisherId) -> PublishedTrack {
        (publisher, "cam/full.jpeg/".parse().unwrap())
    }

    fn track() -> Arc<Track> {
        fixture::stream(Vec::new()).track(&TrackName::full_jpeg())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_track_is_watched_once_and_until_five_seconds_after_its_last_viewer() {
        let (mut watches, track, one) = (Watches::default(), track(), published_by(ONE));
        let needed = || [(&one, &track)].into_iter();
        let none = || [].into_iter();
        assert_eq!(watches.update(needed(), at(0)), [WatchStep::Watch(one.clone())]);
        assert_eq!(watches.update(needed(), at(10)), []);
        assert_eq!(watches.update(none(), at(20)), []);
        assert_eq!(watches.update(none(), at(24)), []);
        assert_eq!(watches.update(needed(), at(24)), [], "a reload does not touch it");
        assert_eq!(watches.update(none(), at(30)), []);
        assert_eq!(watches.update(none(), at(35)), [WatchStep::Unwatch(one.clone())]);
        assert_eq!(watches.update(none(), at(36)), []);
    }

    #[test]
    fn a_new_owner_is_watched_immediately() {
        let (mut watches, track, [one, two]) =
            (Watches::default(), track(), [ONE, TWO].map(published_by));
        watches.update([(&one, &track)].into_iter(), at(0));
        assert_eq!(
            watches.update([(&two, &track)].into_iter(), at(1)),
            [WatchStep::Watch(two.clone())]
        );
    }

    #[test]
    fn a_stream_that_was_forgotten_and_returns_is_watched_again() {
        let (mut watches, one) = (Watches::default(), published_by(ONE));
        let [before, after] = [(); 2].map(|()| track());
        watches.update([(&one, &before)].into_iter(), at(0));
        assert_eq!(
            watches.update([(&one, &after)].into_iter(), at(1)),
            [WatchStep::Watch(one.clone())]
        );
    }
}
