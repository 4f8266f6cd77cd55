//! One sequence of frames: a rendition in one codec, encoded and onto the bus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use fanlight_bus::Publisher;
use fanlight_protocol::{Codec, StreamName, Timestamp, Topic, TrackEntry, TrackName};
use opencv::core::Mat;

use super::lock;
use crate::encode::EncodeError;
use crate::encode::h264::{EncoderName, H264Encoder};
use crate::encode::jpeg::JpegEncoder;
use crate::meter::Meter;
use crate::picture::{Frame, Taken};
use crate::pixels::Size;
use crate::publish::{Outlet, Tally};
use crate::rate_cap::RateCap;
use crate::rendition::RenditionSettings;

/// One track.
#[derive(Debug)]
pub(super) struct Track {
    topic: Topic,
    watched: AtomicBool,
    /// Somebody needs a keyframe, and none was made since.
    keyframe_wanted: AtomicBool,
    /// What the source has encoded itself goes out: nothing of ours may come between.
    passes_on: AtomicBool,
    tally: Arc<Tally>,
    /// Locked by whoever encodes or publishes; one thread at a time does.
    way_out: Mutex<WayOut>,
    cap: Mutex<RateCap>,
}

#[derive(Debug)]
struct WayOut {
    encoder: Encoder,
    outlet: Outlet,
}

#[derive(Debug)]
enum Encoder {
    Jpeg(JpegEncoder),
    H264(H264Encoder),
}

impl Track {
    /// A rendition as JPEG.
    pub(super) fn jpeg(
        stream: &StreamName,
        settings: &RenditionSettings,
        publisher: &Publisher,
    ) -> Arc<Self> {
        let encoder = Encoder::Jpeg(JpegEncoder::new(settings.quality));
        Self::new(stream, settings, Codec::Jpeg, encoder, publisher)
    }

    /// A rendition as H.264.
    pub(super) fn h264(
        stream: &StreamName,
        settings: &RenditionSettings,
        encoder: &EncoderName,
        publisher: &Publisher,
    ) -> Arc<Self> {
        let encoder = Encoder::H264(H264Encoder::new(encoder.clone()));
        Self::new(stream, settings, Codec::H264, encoder, publisher)
    }

    fn new(
        stream: &StreamName,
        settings: &RenditionSettings,
        codec: Codec,
        encoder: Encoder,
        publisher: &Publisher,
    ) -> Arc<Self> {
        let name = TrackName { rendition: settings.name.clone(), codec };
        let topic = Topic { stream: stream.clone(), track: name };
        let tally = Arc::<Tally>::default();
        let outlet = Outlet::new(publisher.track(topic.clone()), tally.clone());
        Arc::new(Self {
            topic,
            watched: AtomicBool::new(false),
            keyframe_wanted: AtomicBool::new(false),
            passes_on: AtomicBool::new(false),
            tally,
            way_out: Mutex::new(WayOut { encoder, outlet }),
            cap: Mutex::new(RateCap::new(settings.fps)),
        })
    }

    /// Its name on the bus.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// How its frames are encoded.
    pub(super) fn codec(&self) -> Codec {
        self.topic.track.codec
    }

    /// What became of its pictures.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether anybody watches it.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Somebody watches, or nobody any more; returns whether that is new.
    pub(super) fn set_watched(&self, watched: bool) -> bool {
        self.watched.swap(watched, Ordering::Relaxed) != watched
    }

    /// Somebody cannot go on without a keyframe.
    pub(super) fn ask_for_keyframe(&self) {
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether a picture captured then is one of its own: it may have fewer than the source.
    pub(super) fn is_due(&self, captured_at: Timestamp) -> bool {
        lock(&self.cap).passes(captured_at)
    }

    /// Encodes and publishes a picture; returns whether it went out.
    ///
    /// # Errors
    /// Why it cannot be encoded.
    pub(super) fn encode(&self, pixels: &Mat, taken: Taken) -> Result<bool, EncodeError> {
        let WayOut { encoder, outlet } = &mut *lock(&self.way_out);
        // Whoever changes that waits for this lock then.
        if self.passes_on.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let frame = match encoder {
            Encoder::Jpeg(encoder) => Some(encoder.encode(pixels, taken)?),
            Encoder::H264(encoder) => {
                let wanted = self.keyframe_wanted.load(Ordering::Relaxed);
                encoder.encode(pixels, taken, wanted)?
            }
        };
        let Some(frame) = frame else { return Ok(false) };
        let gone = self.publish_on(outlet, frame);
        if let (false, Encoder::H264(encoder)) = (gone, encoder) {
            // What would follow refers to it.
            encoder.close();
        }
        Ok(gone)
    }

    /// From now on what the source has encoded itself goes out, or what is encoded here.
    pub(super) fn pass_on(&self, passes_on: bool) {
        if self.passes_on.swap(passes_on, Ordering::Relaxed) != passes_on {
            self.rest();
        }
    }

    /// Publishes a picture that is encoded already; returns whether it went out.
    pub(super) fn publish(&self, frame: Frame) -> bool {
        self.publish_on(&mut lock(&self.way_out).outlet, frame)
    }

    fn publish_on(&self, outlet: &mut Outlet, frame: Frame) -> bool {
        let keyframe = frame.keyframe;
        let gone = outlet.publish(frame);
        if keyframe && gone {
            self.keyframe_wanted.store(false, Ordering::Relaxed);
        }
        gone
    }

    /// Lets go of what an encoder keeps for the next picture. Whoever comes begins anew.
    pub(super) fn rest(&self) {
        if let Encoder::H264(encoder) = &mut lock(&self.way_out).encoder
            && encoder.is_open()
        {
            encoder.close();
        }
    }

    /// What the catalog says of it, for pictures of this size.
    pub(super) fn entry(&self, size: Size, meter: &mut Meter, now: Instant) -> TrackEntry {
        let (published, dropped) = (self.tally.published(), self.tally.dropped());
        let (millifps, bitrate) = meter.rates(now, published, dropped, self.tally.bytes());
        // As its encoder cuts them.
        let even = if self.codec() == Codec::H264 { !1 } else { !0 };
        let (width, height) = (size.0 & even, size.1 & even);
        TrackEntry {
            name: self.topic.track.clone(),
            width,
            height,
            millifps,
            bitrate,
            published,
            dropped: dropped + self.tally.damaged() + self.tally.withheld(),
        }
    }
}
