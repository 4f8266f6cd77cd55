//! `watch` messages for streams that a relay which has just started does not know yet.

use fanlight_protocol::Timestamp;
use fanlight_protocol::viewer::Watch;

use crate::context::Context;
use crate::hub::Listener;
use crate::limits::Permit;
use crate::wake::Waker;

/// The held `watch` messages of one socket. Each has a viewer's place, which bounds them.
pub(super) struct Waiting {
    watches: Vec<(Watch, Permit)>,
    _listener: Listener,
}

impl Waiting {
    /// Holds nothing yet. `waker` is rung when streams come.
    pub(super) fn new(context: &Context, waker: Waker) -> Self {
        Self { watches: Vec::new(), _listener: Listener::new(context.hub.clone(), waker) }
    }

    /// Holds one more.
    pub(super) fn hold(&mut self, watch: Watch, permit: Permit) {
        self.watches.push((watch, permit));
    }

    /// Takes the one of this subscription out.
    pub(super) fn take(&mut self, id: u32) -> Option<Permit> {
        let at = self.watches.iter().position(|(watch, _)| watch.id == id)?;
        Some(self.watches.remove(at).1)
    }

    /// Takes those out that can be answered now.
    pub(super) fn due(&mut self, context: &Context, now: Timestamp) -> Vec<(Watch, Permit)> {
        let is_due = |(watch, _): &mut (Watch, Permit)| {
            !context.startup.may_bring(&context.hub, watch.stream.as_str(), now)
        };
        self.watches.extract_if(.., is_due).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }
}
