//! `watch` messages for streams that a relay does not know yet because it has just started.

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::Watch;

use crate::context::Context;
use crate::hub::Listener;
use crate::limits::Permit;
use crate::wake::Waker;

/// The pending `watch` messages of one socket. Each holds a viewer's permit, which bounds their number.
pub(super) struct PendingWatches {
    watches: Vec<(Watch, Permit)>,
    _listener: Listener,
}

impl PendingWatches {
    /// Returns an empty set. `waker` fires when streams appear.
    pub(super) fn new(context: &Context, waker: Waker) -> Self {
        Self { watches: Vec::new(), _listener: Listener::new(context.hub.clone(), waker) }
    }

    /// Adds a message.
    pub(super) fn push(&mut self, watch: Watch, permit: Permit) {
        self.watches.push((watch, permit));
    }

    /// Removes the message with this subscription's id; returns its permit.
    pub(super) fn remove(&mut self, id: u32) -> Option<Permit> {
        let at = self.watches.iter().position(|(watch, _)| watch.id == id)?;
        Some(self.watches.remove(at).1)
    }

    /// Removes and returns the messages that can be answered now.
    pub(super) fn take_due(&mut self, context: &Context, now: Timestamp) -> Vec<(Watch, Permit)> {
        let is_due = |(watch, _): &mut (Watch, Permit)| {
            !context.startup.may_bring(&context.hub, &watch.stream, now)
        };
        self.watches.extract_if(.., is_due).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }
}
