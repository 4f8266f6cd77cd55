//! The owner of a stream name, as one atomic value that the directory writes and feeds read with every frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_bus::PublisherId;

/// No [`PublisherId`], which has 32 bits.
const NONE: u64 = u64::MAX;

/// The publisher that owns one name, shared by all its handles.
#[derive(Debug, Clone)]
pub struct Ownership(Arc<AtomicU64>);

impl Ownership {
    pub(super) fn of(publisher: PublisherId) -> Self {
        Self(Arc::new(AtomicU64::new(publisher.0.into())))
    }

    pub(super) fn set(&self, publisher: Option<PublisherId>) {
        let owner = publisher.map_or(NONE, |publisher| publisher.0.into());
        self.0.store(owner, Ordering::Release);
    }

    /// Returns whether this publisher owns the name now.
    pub fn is_held_by(&self, publisher: PublisherId) -> bool {
        self.0.load(Ordering::Acquire) == u64::from(publisher.0)
    }
}
