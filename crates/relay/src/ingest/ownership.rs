//! The owner of a stream name, as one atomic value that the directory writes and feeds read with every frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanlight_bus::PublisherId;

/// No owner. No publisher has this number: the bus counts them from 0.
const NONE: u32 = u32::MAX;

/// The publisher that owns one name, shared by all its handles: the number of changes so far in the upper 32 bits, the
/// publisher in the lower ones.
#[derive(Debug, Clone)]
pub struct Ownership(Arc<AtomicU64>);

/// One period in which a publisher owns a name. A later period of the same publisher is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenure(u64);

impl Ownership {
    pub(super) fn of(publisher: PublisherId) -> Self {
        Self(Arc::new(AtomicU64::new(publisher.0.into())))
    }

    /// Changes the owner. Callers hold the directory's lock, so that no two change it together.
    pub(super) fn set(&self, publisher: Option<PublisherId>) {
        let changes = (self.0.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        let owner = publisher.map_or(NONE, |publisher| publisher.0);
        self.0.store(changes << 32 | u64::from(owner), Ordering::Release);
    }

    /// Returns the present period if this publisher owns the name.
    pub(super) fn tenure(&self, publisher: PublisherId) -> Option<Tenure> {
        let now = self.0.load(Ordering::Acquire);
        (now as u32 == publisher.0).then_some(Tenure(now))
    }
}
