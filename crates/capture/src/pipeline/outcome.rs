//! The outcome of a stream's recent frames, from the threads that publish them to the thread that reads the source.

use parking_lot::Mutex;

use crate::status::SourceStatus;

/// Collects since the last report whether a frame was published, and why one was not.
#[derive(Debug, Default)]
pub(super) struct Outcome(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    published: bool,
    failure: Option<String>,
    /// Why no frame can be published before the next keyframe.
    wait: Option<String>,
}

impl Outcome {
    /// Notes that a frame was published.
    pub(super) fn published(&self) {
        self.0.lock().published = true;
    }

    /// Notes the reason why a frame was not published.
    pub(super) fn failed(&self, reason: String) {
        self.0.lock().failure = Some(reason);
    }

    /// Notes that no frame can be published before the next keyframe, with the reason.
    pub(super) fn waits(&self, reason: String) {
        self.0.lock().wait = Some(reason);
    }

    /// Reports what was noted since the last report. If any frame was published, failures of others do not matter.
    pub(super) fn report(&self, status: &SourceStatus) {
        let Recent { published, failure, wait } = std::mem::take(&mut *self.0.lock());
        match (failure, wait) {
            _ if published => status.published(),
            (Some(reason), _) => status.not_published(&reason),
            (None, Some(reason)) => status.waits(&reason),
            (None, None) => {}
        }
    }
}
