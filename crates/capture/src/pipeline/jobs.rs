//! A stream's work for the workshop. Jobs know the studio, and the studio its jobs: the jobs do not keep the studio.

use std::sync::{Arc, Weak};

use fanlight_protocol::{StreamName, Topic};

use super::studio::Studio;
use crate::workshop::Job;

/// Decodes and scales a stream's newest picture.
pub(super) fn decode(studio: &Arc<Studio>, stream: &StreamName) -> Arc<Job> {
    let (work, recover) = (Arc::downgrade(studio), Arc::downgrade(studio));
    Job::new(
        "decoding",
        stream.to_string(),
        move |shift| of(&work, |studio| studio.develop(shift)),
        move || of(&recover, Studio::replace_decoders),
    )
}

/// Encodes the newest picture of a track, which is named by its rendition's place and its own.
pub(super) fn encode(
    studio: &Arc<Studio>,
    topic: &Topic,
    rendition: usize,
    track: usize,
) -> Arc<Job> {
    let (work, recover) = (Arc::downgrade(studio), Arc::downgrade(studio));
    Job::new(
        "encoding",
        topic.to_string(),
        move |shift| of(&work, |studio| studio.encode(rendition, track, shift)),
        move || of(&recover, |studio| studio.replace_encoder(rendition, track)),
    )
}

fn of(studio: &Weak<Studio>, work: impl FnOnce(&Studio)) {
    if let Some(studio) = studio.upgrade() {
        work(&studio);
    }
}
