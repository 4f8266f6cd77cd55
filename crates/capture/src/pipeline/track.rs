//! One sequence of frames: a rendition in one codec, encoded and onto the bus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use fanlight_bus::Publisher;
use fanlight_clock as clock;
use fanlight_protocol::{Codec, StreamName, Timestamp, Topic, TrackEntry, TrackName};
use opencv::core::Mat;

use super::health::Health;
use super::lock;
use super::tool::Tool;
use crate::encode::{Encode, EncodeError, EncoderSettings, Encoders};
use crate::frame::latest::Latest;
use crate::frame::rate_limit::RateLimit;
use crate::frame::{CaptureTimes, Frame};
use crate::meter::Meter;
use crate::pixels::Size;
use crate::publish::{FrameCounters, TrackWriter};
use crate::rendition::RenditionSettings;
use crate::threads::pool::{Task, WorkerPool};

const STUCK: &str = "the encoder does not answer";

/// One track. Only the thread that does its job waits for its encoder; all others may not, because an encoder can block for
/// ever.
#[derive(Debug)]
pub(super) struct Track {
    topic: Topic,
    watched: AtomicBool,
    /// Somebody needs a keyframe, and none was made since.
    keyframe_wanted: AtomicBool,
    /// What the source has encoded itself goes out: nothing of ours may come between. Changed under the outlet's lock.
    passes_on: AtomicBool,
    /// The encoder must be closed before its next frame.
    must_rest: AtomicBool,
    tally: Arc<FrameCounters>,
    encoder: Tool<Box<dyn Encode>>,
    outlet: Mutex<TrackWriter>,
    /// Pixels that wait to be encoded.
    place: Latest<Pixels>,
    cap: Mutex<RateLimit>,
    health: Mutex<Health>,
    /// Encodes what lies in `place`.
    job: OnceLock<Arc<Task>>,
}

/// Pixels of the rendition's size, shared by its tracks.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) pixels: Arc<Mat>,
    pub(super) taken: CaptureTimes,
}

impl Track {
    /// A rendition in the codec of these settings.
    pub(super) fn new(
        stream: &StreamName,
        rendition: &RenditionSettings,
        settings: EncoderSettings,
        encoders: &Arc<Encoders>,
        publisher: &Publisher,
    ) -> Arc<Self> {
        let codec = match settings {
            EncoderSettings::Jpeg(_) => Codec::Jpeg,
            EncoderSettings::H264(_) => Codec::H264,
        };
        let name = TrackName { rendition: rendition.name.clone(), codec };
        let topic = Topic { stream: stream.clone(), track: name };
        let tally = Arc::<FrameCounters>::default();
        let outlet = TrackWriter::new(publisher.track(topic.clone()), tally.clone());
        let (encoders, of) = (encoders.clone(), topic.clone());
        Arc::new(Self {
            topic,
            watched: AtomicBool::new(false),
            keyframe_wanted: AtomicBool::new(false),
            passes_on: AtomicBool::new(false),
            must_rest: AtomicBool::new(false),
            tally,
            encoder: Tool::new(move || encoders(&of, &settings)),
            outlet: Mutex::new(outlet),
            place: Latest::default(),
            cap: Mutex::new(RateLimit::new(rendition.fps)),
            health: Mutex::default(),
            job: OnceLock::new(),
        })
    }

    /// Names the job that calls [`Self::encode`].
    pub(super) fn employ(&self, job: Arc<Task>) {
        self.job.get_or_init(|| job);
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
    pub(super) fn tally(&self) -> &FrameCounters {
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

    /// Takes pixels to be encoded as soon as a thread is free; returns those that were not encoded in time.
    pub(super) fn put(&self, pixels: Pixels, workshop: &WorkerPool) -> Option<Pixels> {
        let overtaken = self.place.put(pixels);
        if overtaken.is_some() {
            self.tally.drop_frames(1);
        }
        self.ask(workshop);
        overtaken
    }

    /// The pixels that wait to be encoded.
    pub(super) fn take(&self) -> Option<Pixels> {
        self.place.take()
    }

    fn ask(&self, workshop: &WorkerPool) {
        if let Some(job) = self.job.get() {
            workshop.ask(job);
        }
    }

    /// Encodes and publishes a picture; returns whether it went out. For the track's job alone: it may block for ever.
    ///
    /// # Errors
    /// Why it cannot be encoded.
    pub(super) fn encode(&self, pixels: &Mat, taken: CaptureTimes) -> Result<bool, EncodeError> {
        let tool = self.encoder.current();
        let mut encoder = lock(&tool);
        if self.must_rest.swap(false, Ordering::Relaxed) {
            encoder.close();
        }
        if self.passes_on.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let wanted = self.keyframe_wanted.load(Ordering::Relaxed);
        match encoder.encode(pixels, taken, wanted) {
            // The thread was stuck, and another one encodes this track now.
            _ if !self.encoder.is_current(&tool) => Ok(false),
            Ok(None) => Ok(false),
            Ok(Some(frame)) => {
                let mut outlet = lock(&self.outlet);
                let ours = !self.passes_on.load(Ordering::Relaxed);
                let gone = ours && self.encoder.is_current(&tool) && self.send(&mut outlet, frame);
                // To close an encoder may take for ever, too.
                drop(outlet);
                if !gone {
                    // What would follow refers to it.
                    encoder.close();
                }
                Ok(gone)
            }
            Err(reason) => {
                self.fail(&reason.to_string());
                Err(reason)
            }
        }
    }

    /// From now on frames that the source has encoded itself are published, or frames that are encoded here.
    pub(super) fn pass_on(&self, passes_on: bool, workshop: &WorkerPool) {
        let outlet = lock(&self.outlet);
        let changed = self.passes_on.swap(passes_on, Ordering::Relaxed) != passes_on;
        drop(outlet);
        if changed {
            self.rest(workshop);
        }
    }

    /// Publishes a picture that is encoded already; returns whether it went out.
    pub(super) fn publish(&self, frame: Frame) -> bool {
        self.send(&mut lock(&self.outlet), frame)
    }

    fn send(&self, outlet: &mut TrackWriter, frame: Frame) -> bool {
        let keyframe = frame.is_keyframe();
        let gone = outlet.publish(frame);
        if gone && keyframe {
            self.keyframe_wanted.store(false, Ordering::Relaxed);
        }
        if gone && lock(&self.health).well(clock::now()) {
            tracing::info!(topic = %self.topic, "frames again");
        }
        gone
    }

    /// A picture could not become a frame.
    pub(super) fn fail(&self, reason: &str) {
        self.tally.note_damage();
        if lock(&self.health).failed(clock::now(), reason, fastrand::f64()) {
            tracing::error!(topic = %self.topic, "no frames: {reason}; the track is tried again later");
        }
    }

    /// A thread is stuck in the encoder: the next picture gets another one. Returns what to say of it.
    pub(super) fn replace_encoder(&self) -> &'static str {
        self.encoder.replace();
        self.tally.note_damage();
        lock(&self.health).stuck(clock::now(), STUCK, fastrand::f64());
        STUCK
    }

    /// Whether it is given pictures at this moment: its frames can be made, or it is time to try again.
    pub(super) fn accepts(&self, now: Timestamp) -> bool {
        self.job.get().is_none_or(|job| job.is_usable()) && lock(&self.health).allows(now)
    }

    /// Why no frames of it can be expected, if none can.
    pub(super) fn given_up(&self, now: Timestamp) -> Option<String> {
        match self.job.get() {
            Some(job) if !job.is_usable() => Some(STUCK.into()),
            _ => lock(&self.health).given_up(now, self.is_watched()).map(str::to_owned),
        }
    }

    /// Releases what the encoder keeps for the next picture, as soon as a thread is free. A new viewer begins with a
    /// keyframe.
    pub(super) fn rest(&self, workshop: &WorkerPool) {
        self.must_rest.store(true, Ordering::Relaxed);
        self.ask(workshop);
    }

    /// The same for the track's job, which is doing that.
    pub(super) fn rest_if_asked(&self) {
        if self.must_rest.swap(false, Ordering::Relaxed) || !self.is_watched() {
            lock(&self.encoder.current()).close();
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
