//! A stream's work for the workshop. Jobs know the studio, and the studio its jobs: the jobs do not keep the studio.

use std::sync::{Arc, Weak};

use fanlight_protocol::{StreamName, Topic};

use super::transcoder::Transcoder;
use crate::threads::pool::Task;

/// Decodes and scales a stream's newest picture.
pub(super) fn decode(studio: &Arc<Transcoder>, stream: &StreamName) -> Arc<Task> {
    let (work, recover) = (Arc::downgrade(studio), Arc::downgrade(studio));
    Task::new(
        "decoding",
        stream.to_string(),
        move |shift| of(&work, |studio| studio.develop(shift)),
        move || of(&recover, Transcoder::replace_decoders),
    )
}

/// Encodes the newest picture of a track, which is named by its rendition's place and its own.
pub(super) fn encode(
    studio: &Arc<Transcoder>,
    topic: &Topic,
    rendition: usize,
    track: usize,
) -> Arc<Task> {
    let (work, recover) = (Arc::downgrade(studio), Arc::downgrade(studio));
    Task::new(
        "encoding",
        topic.to_string(),
        move |shift| of(&work, |studio| studio.encode(rendition, track, shift)),
        move || of(&recover, |studio| studio.replace_encoder(rendition, track)),
    )
}

fn of(studio: &Weak<Transcoder>, work: impl FnOnce(&Transcoder)) {
    if let Some(studio) = studio.upgrade() {
        work(&studio);
    }
}
