//! A size that fits each viewer: `rendition=auto`.
//!
//! Every JPEG stands alone, so that a viewer can go on with another rendition at any frame; with H.264 it does so at a
//! keyframe, in the codec that it has. It is sent the smallest one that fills its tile; where its link or its machine
//! cannot take that, a smaller one, and the larger one again when it can. The budget is the socket's, and all its
//! viewers share it.
//!
//! - [`ladder`]: which renditions a viewer may be sent, and what each takes;
//! - [`share`]: who is sent what within a limit;
//! - [`budget`]: what the limit is;
//! - [`AdaptiveViewer`]: a viewer with its ladder;
//! - [`Fit`]: all of it for one socket.
//!
//! Nothing here is done for each frame: it is looked at a few times a second what viewers were sent, which they count
//! anyway.

mod adaptive_viewer;
pub mod allocation;
pub mod bandwidth;
pub mod ladder;
#[cfg(test)]
mod simulated;

use std::slice;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use crate::connection::PacedWriter;
use crate::hub::Viewer;
pub use adaptive_viewer::{AdaptiveViewer, Auto};
use allocation::AllocationRequest;
use bandwidth::{BandwidthEstimate, Seen, Verdict};

/// Chooses for the viewers of one socket.
#[derive(Debug, Default)]
pub struct Fit {
    budget: BandwidthEstimate,
    /// Viewers came, left, or changed their mind.
    changed: bool,
}

/// What the kernel knows of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::egress) struct Link {
    /// Bytes that were acknowledged by the other side.
    pub(in crate::egress) acked: u64,
    /// The shortest recent round trip.
    pub(in crate::egress) distance: Duration,
    /// Whether sending has recently waited for the receiver rather than for the network.
    pub(in crate::egress) waited_for_receiver: bool,
    /// Whether the link has recently lost segments.
    pub(in crate::egress) lossy: bool,
}

impl Fit {
    /// Whether a limit is known: whoever comes begins small then.
    pub fn is_limited(&self) -> bool {
        self.budget.limit().is_some()
    }

    /// Viewers came, left, or changed their mind.
    pub fn change(&mut self) {
        self.changed = true;
    }

    /// Where it is time, looks at what the viewers were sent, and turns them to what fits.
    pub fn look<T: AsMut<AdaptiveViewer>>(
        &mut self,
        tiles: &mut [T],
        writer: &PacedWriter,
        now: Timestamp,
    ) {
        if self.changed || self.budget.is_due(now) {
            let link = Link {
                acked: writer.acked(),
                distance: writer.distance(),
                waited_for_receiver: writer.waited_for_receiver(now),
                lossy: writer.is_lossy(now),
            };
            self.choose(tiles, link, now);
        }
    }

    /// Looks at what the viewers were sent, and turns them to what fits.
    pub(in crate::egress) fn choose<T: AsMut<AdaptiveViewer>>(
        &mut self,
        tiles: &mut [T],
        link: Link,
        now: Timestamp,
    ) {
        let mut changed = std::mem::take(&mut self.changed);
        let Link { acked, distance, waited_for_receiver, lossy } = link;
        let mut seen = Seen { acked, distance, waited_for_receiver, lossy, ..Seen::default() };
        for tile in tiles.iter_mut().map(AsMut::as_mut) {
            changed |= tile.refresh(now);
            seen.tally += tile.viewer.send_stats(now);
            seen.in_gops |= tile.viewer.has_deltas();
            seen.switching |= tile.is_auto() && tile.viewer.is_switching(now);
            seen.resizing |= tile.is_auto() && tile.viewer.is_switching_size();
        }
        if changed {
            self.budget.restart(now, seen);
            let mut claims = claims(tiles, now);
            allocation::divide(self.budget.limit(), &mut claims);
            turn(tiles, &claims, false, now);
            return;
        }
        match self.budget.look(now, seen) {
            Verdict::Stay => {}
            Verdict::Less(limit) => {
                let mut claims = claims(tiles, now);
                let too_many = allocation::taken(&claims);
                self.budget.keep_to(allocation::lower(limit, &mut claims), too_many);
                turn(tiles, &claims, false, now);
            }
            Verdict::More(limit) => {
                tiles.iter_mut().for_each(|tile| tile.as_mut().accept());
                let mut claims = claims(tiles, now);
                let more = allocation::grow(limit, &mut claims).then(|| allocation::taken(&claims));
                self.budget.attempt(now, more);
                turn(tiles, &claims, true, now);
            }
            Verdict::Back => {
                tiles.iter_mut().for_each(|tile| tile.as_mut().turn_back(now));
            }
        }
    }
}

/// The only viewer of a connection, and what fits it where the relay chooses.
#[derive(Debug)]
pub struct Single {
    tile: AdaptiveViewer,
    fit: Option<Box<Fit>>,
}

impl Single {
    /// Of a connection on which nothing was sent yet.
    pub fn new(tile: AdaptiveViewer) -> Self {
        let fit = tile.is_auto().then(Box::default);
        Self { tile, fit }
    }

    /// The viewer.
    pub fn viewer(&mut self) -> &mut Viewer {
        &mut self.tile.viewer
    }

    /// The viewer, turned to what fits it now.
    pub fn fitted(&mut self, writer: &PacedWriter) -> &mut Viewer {
        if let Some(fit) = &mut self.fit {
            fit.look(slice::from_mut(&mut self.tile), writer, clock::now());
        }
        &mut self.tile.viewer
    }
}

fn claims<T: AsMut<AdaptiveViewer>>(tiles: &mut [T], now: Timestamp) -> Vec<AllocationRequest> {
    tiles.iter_mut().map(|tile| tile.as_mut().claim(now)).collect()
}

fn turn<T: AsMut<AdaptiveViewer>>(
    tiles: &mut [T],
    claims: &[AllocationRequest],
    tried: bool,
    now: Timestamp,
) {
    for (tile, claim) in tiles.iter_mut().zip(claims) {
        tile.as_mut().turn(claim.at, tried, now);
    }
}
