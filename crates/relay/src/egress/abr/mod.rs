//! Adaptive bitrate (ABR), `rendition=auto`: each viewer is sent the rendition that its link and machine sustain.
//!
//! A viewer is sent the smallest rendition that fills its tile. If its link or machine cannot sustain that, it is sent
//! a smaller one, and the larger one again once it can. A viewer of JPEG can switch at any frame, because every JPEG is
//! decodable alone; a viewer of H.264 switches at a keyframe and keeps its codec. The bandwidth estimate belongs to the
//! socket, and all viewers of the socket share it.
//!
//! - [`viewer_ladder`]: the renditions that a viewer may be sent, and the bitrate of each;
//! - [`allocation`]: the rendition of each viewer within a limit;
//! - [`bandwidth`]: the limit;
//! - [`AdaptiveViewer`]: a viewer with its ladder;
//! - [`AbrController`]: all of it for one socket.
//!
//! Nothing here runs for each frame. A few times a second the controller reads the counters that viewers keep anyway.

mod adaptive_viewer;
pub mod allocation;
pub mod bandwidth;
#[cfg(test)]
mod simulated;
pub mod viewer_ladder;

use std::slice;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_protocol::Timestamp;

use crate::connection::PacedWriter;
use crate::hub::Viewer;
pub use adaptive_viewer::{AdaptiveViewer, AutoRendition};
use allocation::AllocationRequest;
use bandwidth::{Adjustment, BandwidthEstimate, Observation};

/// Chooses the renditions of one socket's viewers.
#[derive(Debug, Default)]
pub struct AbrController {
    bandwidth: BandwidthEstimate,
    /// True if viewers joined, left or changed their request since the last allocation.
    viewers_changed: bool,
}

/// The kernel's view of a socket's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::egress) struct LinkState {
    /// Bytes that the other side has acknowledged.
    pub(in crate::egress) acked: u64,
    /// The shortest recent round trip.
    pub(in crate::egress) min_rtt: Duration,
    /// True if the receiver rather than the network has recently limited sending.
    pub(in crate::egress) receiver_limited: bool,
    /// True if the link has recently lost segments.
    pub(in crate::egress) lossy: bool,
}

impl AbrController {
    /// Returns whether a limit is known. A new viewer then starts at the smallest rendition.
    pub fn is_limited(&self) -> bool {
        self.bandwidth.limit().is_some()
    }

    /// Notes that viewers joined, left or changed their request.
    pub fn note_change(&mut self) {
        self.viewers_changed = true;
    }

    /// Adapts the viewers' renditions, if it is time to.
    pub fn adapt<T: AsMut<AdaptiveViewer>>(
        &mut self,
        viewers: &mut [T],
        writer: &PacedWriter,
        now: Timestamp,
    ) {
        if self.viewers_changed || self.bandwidth.is_due(now) {
            let link = LinkState {
                acked: writer.acked(),
                min_rtt: writer.min_rtt(),
                receiver_limited: writer.is_receiver_limited(now),
                lossy: writer.is_lossy(now),
            };
            self.adapt_to(viewers, link, now);
        }
    }

    /// Adapts the viewers' renditions to the state of the link.
    pub(in crate::egress) fn adapt_to<T: AsMut<AdaptiveViewer>>(
        &mut self,
        viewers: &mut [T],
        link: LinkState,
        now: Timestamp,
    ) {
        let mut changed = std::mem::take(&mut self.viewers_changed);
        let LinkState { acked, min_rtt, receiver_limited, lossy } = link;
        let mut observation =
            Observation { acked, min_rtt, receiver_limited, lossy, ..Observation::default() };
        for adaptive in viewers.iter_mut().map(AsMut::as_mut) {
            changed |= adaptive.refresh(now);
            observation.stats += adaptive.viewer.send_stats(now);
            observation.has_deltas |= adaptive.viewer.has_deltas();
            observation.switching |= adaptive.is_auto() && adaptive.viewer.is_switching(now);
            observation.resizing |= adaptive.is_auto() && adaptive.viewer.is_switching_size();
        }
        if changed {
            self.bandwidth.restart(now, observation);
            let mut requests = requests(viewers, now);
            allocation::allocate(self.bandwidth.limit(), &mut requests);
            switch(viewers, &requests, false, now);
            return;
        }
        match self.bandwidth.update(now, observation) {
            Adjustment::None => {}
            Adjustment::Lower(limit) => {
                let mut requests = requests(viewers, now);
                let too_much = allocation::total_bits(&requests);
                self.bandwidth.set_limit(allocation::lower(limit, &mut requests), too_much);
                switch(viewers, &requests, false, now);
            }
            Adjustment::Probe(limit) => {
                viewers.iter_mut().for_each(|adaptive| adaptive.as_mut().commit());
                let mut requests = requests(viewers, now);
                let raised = allocation::raise(limit, &mut requests);
                let bits = raised.then(|| allocation::total_bits(&requests));
                self.bandwidth.begin_probe(now, bits);
                switch(viewers, &requests, true, now);
            }
            Adjustment::Revert => {
                viewers.iter_mut().for_each(|adaptive| adaptive.as_mut().revert(now));
            }
        }
    }
}

/// A connection's only viewer, with a controller if the relay chooses its rendition.
#[derive(Debug)]
pub struct SingleViewer {
    adaptive: AdaptiveViewer,
    abr: Option<Box<AbrController>>,
}

impl SingleViewer {
    /// Returns the viewer of a connection on which no frame was sent yet.
    pub fn new(adaptive: AdaptiveViewer) -> Self {
        let abr = adaptive.is_auto().then(Box::default);
        Self { adaptive, abr }
    }

    /// Returns the viewer.
    pub fn get_mut(&mut self) -> &mut Viewer {
        &mut self.adaptive.viewer
    }

    /// Adapts the viewer's rendition, if it is time to, and returns the viewer.
    pub fn adapt(&mut self, writer: &PacedWriter) -> &mut Viewer {
        if let Some(abr) = &mut self.abr {
            abr.adapt(slice::from_mut(&mut self.adaptive), writer, clock::now());
        }
        &mut self.adaptive.viewer
    }
}

fn requests<T: AsMut<AdaptiveViewer>>(viewers: &mut [T], now: Timestamp) -> Vec<AllocationRequest> {
    viewers.iter_mut().map(|adaptive| adaptive.as_mut().allocation_request(now)).collect()
}

fn switch<T: AsMut<AdaptiveViewer>>(
    viewers: &mut [T],
    requests: &[AllocationRequest],
    probing: bool,
    now: Timestamp,
) {
    for (adaptive, request) in viewers.iter_mut().zip(requests) {
        adaptive.as_mut().switch_to(request.rung, probing, now);
    }
}
