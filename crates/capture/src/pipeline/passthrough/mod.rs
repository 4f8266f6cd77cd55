//! Passthrough: frames that the source has encoded itself are published undecoded on the full rendition.
//!
//! A JPEG stands alone. H.264 is stored since its last entry point, for new viewers ([`progress`]) and for the decoder
//! of the other tracks.

mod progress;

use std::sync::Arc;

use fanlight_protocol::{Codec, MAX_PAYLOAD, RenditionName, StreamName};
use parking_lot::Mutex;

use super::encoded_track::EncodedTrack;
use super::gop::{Gop, Unit, Units};
use super::outcome::Outcome;
use crate::encode::EncodeError;
use crate::frame::{AccessUnit, CaptureTimes, Frame, FrameData};
use crate::options::StreamSettings;
use crate::pixels::Size;
use progress::Progress;

/// The passthrough of one stream.
#[derive(Debug)]
pub(super) struct Passthrough {
    /// Set if the settings allow it for JPEG, and for H.264.
    allowed: bool,
    allowed_h264: bool,
    h264: Mutex<H264>,
    outcome: Arc<Outcome>,
}

/// The source's own H.264, and the part of it that was sent to the full H.264 track.
#[derive(Debug, Default)]
struct H264 {
    gop: Gop,
    progress: Progress,
}

/// Returns the settings because of which no frame of this codec is passed through, if there are any.
pub(crate) fn refusal(settings: &StreamSettings, codec: Codec) -> Option<&'static str> {
    let full = RenditionName::full();
    let is_limited = || settings.renditions.iter().any(|one| one.name == full && one.fps.is_some());
    match codec {
        _ if settings.reencode => Some("reencode is set"),
        _ if !settings.orientation.is_none() => Some("rotate or flip is set"),
        _ if settings.overlay.is_some() => Some("overlay is set"),
        // No frame of it can be left out.
        Codec::H264 if is_limited() => Some("its full rendition has a frame rate limit"),
        Codec::Jpeg | Codec::H264 => None,
    }
}

impl Passthrough {
    /// Creates the passthrough of a stream with these settings.
    pub(super) fn new(settings: &StreamSettings, outcome: Arc<Outcome>) -> Self {
        Self {
            allowed: refusal(settings, Codec::Jpeg).is_none(),
            allowed_h264: refusal(settings, Codec::H264).is_none(),
            h264: Mutex::default(),
            outcome,
        }
    }

    /// Returns the codec in which the full rendition gets this frame by passthrough, if it does.
    pub(super) fn codec(&self, data: &FrameData) -> Option<Codec> {
        match data {
            FrameData::Jpeg(_) if self.allowed => Some(Codec::Jpeg),
            FrameData::H264(_) if self.allowed_h264 && !self.h264.lock().gop.is_sparse() => {
                Some(Codec::H264)
            }
            _ => None,
        }
    }

    /// Publishes the source's own JPEG on the full JPEG track.
    pub(super) fn publish_jpeg(
        &self,
        full: &EncodedTrack,
        payload: Vec<u8>,
        size: Size,
        times: CaptureTimes,
    ) {
        match payload.len() {
            length if length > MAX_PAYLOAD => {
                let reason = EncodeError::TooLarge(length).to_string();
                full.fail(&reason);
                self.outcome.failed(reason);
            }
            _ if full.publish(Frame::new(payload, times, size, true)) => {
                self.outcome.published();
            }
            _ => {}
        }
    }

    /// Stores the newest unit of the source's own H.264, and publishes it on the full H.264 track if that is watched.
    /// Returns whether that track waits for a keyframe.
    pub(super) fn push_h264(
        &self,
        unit: &Arc<AccessUnit>,
        times: CaptureTimes,
        full: Option<&EncodedTrack>,
        stream: &StreamName,
    ) -> bool {
        let mut h264 = self.h264.lock();
        let (newest, turned_sparse) = h264.gop.push(unit.clone(), times);
        // If this unit reveals sparse keyframes, it is transcoded already: no viewer has to wait for the next one.
        let allowed = self.allowed_h264 && !h264.gop.is_sparse();
        drop(h264);
        if turned_sparse {
            tracing::info!(%stream, "keyframes are more than 4.5 s apart: the source's H.264 is transcoded");
        }
        if let Some(full) = full {
            full.set_passthrough(allowed);
        }
        match full.filter(|_| allowed) {
            Some(full) => self.pass_h264(full, &newest),
            None => {
                self.restart();
                false
            }
        }
    }

    /// Sends the full H.264 track the units that it needs up to the newest one. Units that it will never get are
    /// counted. Returns whether the track waits for a keyframe.
    fn pass_h264(&self, full: &EncodedTrack, newest: &Unit) -> bool {
        let H264 { gop, progress } = &mut *self.h264.lock();
        let mut published = false;
        let withheld = progress.advance(gop, newest, |unit| {
            let AccessUnit { ref bytes, width, height, keyframe, .. } = *unit.data;
            let frame = Frame::new(bytes.clone(), unit.times, (width, height), keyframe);
            let sent = full.publish(frame);
            published |= sent;
            sent
        });
        full.counters().withhold(withheld);
        if published {
            self.outcome.published();
        }
        progress.is_waiting()
    }

    /// Returns whether a decoder can begin with the stored units of the source's own H.264.
    pub(super) fn has_entry(&self) -> bool {
        self.h264.lock().gop.has_entry()
    }

    /// Returns whether the next units can be decoded only by a decoder that follows all of them.
    pub(super) fn is_outgrown(&self) -> bool {
        self.h264.lock().gop.is_outgrown()
    }

    /// Returns the stored units for a decoder that has decoded all before this index, or none yet.
    pub(super) fn units_since(&self, index: Option<u64>) -> Units {
        self.h264.lock().gop.since(index)
    }

    /// Restarts the full H.264 track at a keyframe: it has its first viewer, or none, or its frames are transcoded.
    pub(super) fn restart(&self) {
        self.h264.lock().progress = Progress::default();
    }

    /// Notes that no viewer watches the stream. If the source is `closed`, the stored units are released.
    pub(super) fn pause(&self, closed: bool) {
        let mut h264 = self.h264.lock();
        if closed {
            h264.gop.clear();
        }
        h264.progress = Progress::default();
    }
}
