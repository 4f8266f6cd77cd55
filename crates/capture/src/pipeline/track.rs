//! One rendition of a stream: its pixels to JPEG, and onto the bus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fanlight_bus::{Publisher, TrackPublisher};
use fanlight_protocol::{Codec, Topic, TrackEntry, TrackName};
use opencv::core::Mat;

use crate::encode::EncodeError;
use crate::encode::jpeg::JpegEncoder;
use crate::hand_over::{Buffers, HandOver};
use crate::meter::Meter;
use crate::picture::{Frame, Taken};
use crate::pixels::Size;
use crate::publish::{Outlet, Tally};
use crate::rate_cap::RateCap;
use crate::rendition::{Measure, RenditionSettings};
use fanlight_protocol::{StreamName, Timestamp};

/// One rendition.
#[derive(Debug)]
pub(super) struct Track {
    topic: Topic,
    measure: Measure,
    capped: bool,
    watched: AtomicBool,
    tally: Arc<Tally>,
    /// Pixels of this rendition's size that wait to be encoded.
    place: HandOver<(Mat, Taken)>,
    buffers: Buffers,
    /// Locked by whoever encodes or publishes; one thread at a time does.
    way_out: Mutex<WayOut>,
    cap: Mutex<RateCap>,
}

#[derive(Debug)]
struct WayOut {
    encoder: JpegEncoder,
    outlet: Outlet,
}

impl Track {
    pub(super) fn new(
        stream: &StreamName,
        settings: &RenditionSettings,
        publisher: &Publisher,
    ) -> Self {
        let name = TrackName { rendition: settings.name.clone(), codec: Codec::Jpeg };
        let topic = Topic { stream: stream.clone(), track: name };
        let tally = Arc::<Tally>::default();
        let track: TrackPublisher = publisher.track(topic.clone());
        let outlet = Outlet::new(track, tally.clone());
        Self {
            topic,
            measure: settings.measure,
            capped: settings.fps.is_some(),
            watched: AtomicBool::new(false),
            tally,
            place: HandOver::default(),
            buffers: Buffers::default(),
            way_out: Mutex::new(WayOut { encoder: JpegEncoder::new(settings.quality), outlet }),
            cap: Mutex::new(RateCap::new(settings.fps)),
        }
    }

    /// Its name on the bus.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
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

    /// The size of its pictures, for a source of this size.
    pub(super) fn size(&self, full: Size) -> Size {
        self.measure.of(full)
    }

    /// Whether it is the full rendition, which a source's own JPEG goes out as.
    pub(super) fn is_full(&self) -> bool {
        self.topic.track == TrackName::full_jpeg()
    }

    /// Whether it may have fewer pictures than the source: what it misses need not have been meant for it.
    pub(super) fn is_capped(&self) -> bool {
        self.capped
    }

    /// Whether a picture captured then is one of its own: it may have fewer than the source.
    pub(super) fn is_due(&self, captured_at: Timestamp) -> bool {
        lock(&self.cap).passes(captured_at)
    }

    /// A buffer for the next picture.
    pub(super) fn buffer(&self) -> Mat {
        self.buffers.take()
    }

    /// Takes pixels of its size, to be encoded as soon as somebody has time.
    pub(super) fn put(&self, pixels: Mat, taken: Taken) {
        if let Some((overtaken, _)) = self.place.put((pixels, taken)) {
            self.tally.drop_frames(1);
            self.buffers.recycle(overtaken);
        }
    }

    /// Lets go of what is kept for the next picture.
    pub(super) fn rest(&self) {
        self.place.take();
        self.buffers.clear();
    }

    /// Encodes and publishes the newest picture; returns whether one went out.
    ///
    /// # Errors
    /// Why it cannot be encoded.
    pub(super) fn develop(&self) -> Result<bool, EncodeError> {
        let Some((pixels, taken)) = self.place.take() else { return Ok(false) };
        let mut way_out = lock(&self.way_out);
        let encoded = way_out.encoder.encode(&pixels, taken);
        self.buffers.recycle(pixels);
        Ok(way_out.outlet.publish(encoded?))
    }

    /// Publishes a picture that is encoded already; returns whether it went out.
    pub(super) fn publish(&self, frame: Frame) -> bool {
        lock(&self.way_out).outlet.publish(frame)
    }

    /// What the catalog says of it, for a source of this size.
    pub(super) fn entry(&self, full: Size, meter: &mut Meter, now: Instant) -> TrackEntry {
        let (published, dropped) = (self.tally.published(), self.tally.dropped());
        let (millifps, bitrate) = meter.rates(now, published, dropped, self.tally.bytes());
        let (width, height) = self.size(full);
        TrackEntry {
            name: self.topic.track.clone(),
            width,
            height,
            millifps,
            bitrate,
            published,
            dropped: dropped + self.tally.damaged(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
