//! The rules of the bus without IO and without a clock: bytes, events and `now` in, actions out.
//!
//! - publisher side: [`PublisherState`] answers subscribers and decides when to announce the catalog, with
//!   [`subscriptions`] (which tracks are watched) and [`request_limits`] (how much a peer may request);
//! - subscriber side: [`Follower`] follows one publisher, with [`clock_sync`] and [`clock_offset`] (the publisher's clock),
//!   [`losses`] (missing frames), [`liveness`] (whether the publisher is alive), [`recovery`] (when to replace a
//!   connection) and [`plausible`] (numbers that can be true);
//! - [`TrackState`]: the state of one track that its publishing thread and the bus thread share.
//!
//! Not part of this module: sockets, threads, files, and the bytes of a transport.

mod clock_offset;
mod clock_sync;
mod events;
mod follower;
mod liveness;
mod losses;
mod now;
mod plausible;
mod publisher_state;
mod recovery;
mod request_limits;
mod subscriptions;
mod track_state;

pub use events::{Demand, IncomingFrame, PublisherEvent, PublisherId};
pub(crate) use events::{DemandHandler, FrameSink};
pub(crate) use follower::{Follower, FollowerAction};
pub use losses::Gap;
pub(crate) use now::Now;
pub use plausible::Implausible;
pub(crate) use plausible::ImplausibleCounts;
pub(crate) use publisher_state::{PublisherAction, PublisherState, Upstream};
pub(crate) use recovery::{ConnectionEvent, Recovery};
pub(crate) use track_state::TrackState;
