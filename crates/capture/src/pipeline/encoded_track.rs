//! One track: a rendition in one codec, encoded and published as a sequence of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fanlight_bus::{TrackCounts, TrackPublisher};
use fanlight_clock as clock;
use fanlight_protocol::rate::RateLimit;
use fanlight_protocol::{Codec, StreamName, Timestamp, Topic, TrackEntry, TrackName};
use parking_lot::Mutex;

use super::Resources;
use super::health::EncoderHealth;
use super::outcome::Outcome;
use super::replaceable::Replaceable;
use crate::encode::{Encode, EncodeError, EncoderSettings};
use crate::frame::latest::{Buffers, Latest};
use crate::frame::{CaptureTimes, Frame};
use crate::meter::RateMeter;
use crate::pixels::{Image, Size};
use crate::publish::{FrameCounters, TrackOutput, TrackWriter};
use crate::rendition_settings::RenditionSettings;
use crate::threads::pool::{Task, WorkerPool};
use crate::threads::watchdog::Watchdog;

const STUCK: &str = "the encoder does not answer";

/// One track. Only the thread that runs its task waits for its encoder. Other threads must not, because an encoder can
/// block for ever.
#[derive(Debug)]
pub(super) struct EncodedTrack {
    topic: Topic,
    /// A viewer needs a keyframe, and none was published since.
    keyframe_requested: AtomicBool,
    /// The source's own frames are published, and no frame of the encoder may come between them. Changed only under the
    /// writer's lock.
    passthrough: AtomicBool,
    /// The encoder must be closed before its next frame.
    must_close: AtomicBool,
    counters: FrameCounters,
    encoder: Replaceable<Box<dyn Encode>>,
    output: TrackOutput,
    /// The pixels to be encoded next.
    pending: Latest<Pixels>,
    rate_limit: Mutex<RateLimit>,
    health: Mutex<EncoderHealth>,
    /// The buffers of the rendition, for used pixels.
    buffers: Arc<Buffers>,
    outcome: Arc<Outcome>,
    pool: WorkerPool,
    /// Encodes the pending pixels.
    task: Arc<Task>,
}

/// Pixels of the rendition's size, shared by its tracks.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) image: Arc<Image>,
    pub(super) times: CaptureTimes,
}

impl EncodedTrack {
    /// Creates the track of a rendition for the codec of the encoder.
    pub(super) fn new(
        stream: &StreamName,
        rendition: &RenditionSettings,
        encoder: EncoderSettings,
        resources: &Resources<'_>,
        buffers: &Arc<Buffers>,
        outcome: &Arc<Outcome>,
    ) -> Arc<Self> {
        let codec = match encoder {
            EncoderSettings::Jpeg(_) => Codec::Jpeg,
            EncoderSettings::H264(_) => Codec::H264,
        };
        let name = TrackName { rendition: rendition.name.clone(), codec };
        let topic = Topic { stream: stream.clone(), track: name };
        let (encoders, own_topic) = (resources.encoders.clone(), topic.clone());
        Arc::new_cyclic(|track| Self {
            task: Task::of(track, "encoding", topic.to_string(), Self::work, Self::replace_encoder),
            topic,
            keyframe_requested: AtomicBool::new(false),
            passthrough: AtomicBool::new(false),
            must_close: AtomicBool::new(false),
            counters: FrameCounters::default(),
            encoder: Replaceable::new(move || encoders(&own_topic, &encoder)),
            output: TrackOutput::default(),
            pending: Latest::default(),
            rate_limit: Mutex::new(RateLimit::new(rendition.fps)),
            health: Mutex::default(),
            buffers: buffers.clone(),
            outcome: outcome.clone(),
            pool: resources.pool.clone(),
        })
    }

    /// Returns the track's name on the bus.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Returns the codec of the frames.
    pub(super) fn codec(&self) -> Codec {
        self.topic.track.codec
    }

    /// Returns the counters of frames.
    pub(super) fn counters(&self) -> &FrameCounters {
        &self.counters
    }

    /// Connects the track to the bus.
    pub(super) fn connect(&self, publisher: TrackPublisher) {
        self.output.connect(publisher);
    }

    /// Returns whether any viewer watches the track.
    pub(super) fn is_watched(&self) -> bool {
        self.output.is_watched()
    }

    /// Requests a keyframe for a viewer that cannot continue without one.
    pub(super) fn request_keyframe(&self) {
        self.keyframe_requested.store(true, Ordering::Relaxed);
    }

    /// Returns whether a frame captured at that time is within the frame rate limit.
    pub(super) fn is_due(&self, captured_at: Timestamp) -> bool {
        self.rate_limit.lock().admit(captured_at)
    }

    /// Takes pixels to be encoded when a thread is free. They replace pixels that were not encoded in time.
    pub(super) fn put(&self, pixels: Pixels) {
        if let Some(replaced) = self.pending.put(pixels) {
            self.counters.drop_frames(1);
            self.buffers.recycle_shared(replaced.image);
        }
        self.pool.schedule(&self.task);
    }

    /// Discards the pending pixels.
    pub(super) fn discard_pending(&self) {
        self.pending.take();
    }

    /// Encodes and publishes the pending pixels, as the track's task. It may block for ever.
    fn work(&self, watchdog: &Watchdog) {
        let Some(Pixels { image, times }) = self.pending.take() else {
            return self.close_unused_encoder();
        };
        let encoded = self.encode(&image, times);
        self.buffers.recycle_shared(image);
        // After the thread was abandoned, the encoder belongs to another thread.
        if !watchdog.is_stopped() {
            // An idle encoder occupies many megabytes.
            self.close_unused_encoder();
        }
        match encoded {
            Ok(true) => self.outcome.published(),
            Ok(false) => {}
            Err(error) => self.outcome.failed(error.to_string()),
        }
    }

    /// Encodes and publishes a frame. Returns whether it was published.
    fn encode(&self, image: &Image, times: CaptureTimes) -> Result<bool, EncodeError> {
        let current = self.encoder.current();
        let mut encoder = current.lock();
        if self.must_close.swap(false, Ordering::Relaxed) {
            encoder.close();
        }
        if self.passthrough.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let keyframe_requested = self.keyframe_requested.load(Ordering::Relaxed);
        match encoder.encode(image, times, keyframe_requested) {
            // This thread was abandoned, and another one encodes the track now.
            _ if !self.encoder.is_current(&current) => Ok(false),
            Ok(None) => Ok(false),
            Ok(Some(frame)) => {
                let mut writer = self.output.lock();
                let allowed = !self.passthrough.load(Ordering::Relaxed);
                let sent =
                    allowed && self.encoder.is_current(&current) && self.send(&mut writer, frame);
                // Closing an encoder may block for ever, too.
                drop(writer);
                if !sent {
                    // The next frames would refer to this one.
                    encoder.close();
                }
                Ok(sent)
            }
            Err(reason) => {
                self.fail(&reason.to_string());
                Err(reason)
            }
        }
    }

    /// Sets whether the source's own frames are published by passthrough, or those of the encoder.
    pub(super) fn set_passthrough(&self, passthrough: bool) {
        let writer = self.output.lock();
        let changed = self.passthrough.swap(passthrough, Ordering::Relaxed) != passthrough;
        drop(writer);
        if changed {
            self.close_encoder();
        }
    }

    /// Publishes a frame that is encoded already. Returns whether it was published.
    pub(super) fn publish(&self, frame: Frame) -> bool {
        self.send(&mut self.output.lock(), frame)
    }

    fn send(&self, writer: &mut TrackWriter, frame: Frame) -> bool {
        let keyframe = frame.is_keyframe();
        let sent = writer.publish(frame);
        if sent && keyframe {
            self.keyframe_requested.store(false, Ordering::Relaxed);
        }
        if sent && self.health.lock().succeeded(clock::now()) {
            tracing::info!(topic = %self.topic, "frames are published again");
        }
        sent
    }

    /// Counts a frame that could not be encoded, with the reason.
    pub(super) fn fail(&self, reason: &str) {
        self.counters.note_damage();
        if self.health.lock().failed(clock::now(), reason, fastrand::f64()) {
            tracing::error!(topic = %self.topic, "no frames: {reason}; retrying later");
        }
    }

    /// Replaces the encoder, because a thread is stuck in it.
    fn replace_encoder(&self) {
        self.encoder.replace();
        self.counters.note_damage();
        self.health.lock().stuck(clock::now(), STUCK, fastrand::f64());
        self.outcome.failed(STUCK.into());
    }

    /// Returns whether the track takes frames now: its encoder works, or a retry is due.
    pub(super) fn accepts(&self, now: Timestamp) -> bool {
        self.task.is_usable() && self.health.lock().allows(now)
    }

    /// Returns the reason why the track has no frames, if its encoder has failed.
    pub(super) fn failure(&self, now: Timestamp) -> Option<String> {
        match self.task.is_usable() {
            true => self.health.lock().failure(now, self.is_watched()).map(str::to_owned),
            false => Some(STUCK.into()),
        }
    }

    /// Closes the encoder when a thread is free. A new viewer then begins with a keyframe.
    pub(super) fn close_encoder(&self) {
        self.must_close.store(true, Ordering::Relaxed);
        self.pool.schedule(&self.task);
    }

    /// Closes the encoder on the thread that runs the task, if that was requested or no viewer watches.
    fn close_unused_encoder(&self) {
        if self.must_close.swap(false, Ordering::Relaxed) || !self.is_watched() {
            self.encoder.current().lock().close();
        }
    }

    /// Returns the track's entry in the catalog, for frames of this size.
    pub(super) fn entry(&self, size: Size, meter: &mut RateMeter, now: Instant) -> TrackEntry {
        let TrackCounts { published, bytes, dropped: not_sent } = self.output.counts();
        let dropped = self.counters.dropped() + not_sent;
        let (millifps, bitrate) = meter.rates(now, published, dropped, bytes);
        // The H.264 encoder crops odd sides by one pixel.
        let even = if self.codec() == Codec::H264 { !1 } else { !0 };
        let (width, height) = (size.0 & even, size.1 & even);
        TrackEntry {
            name: self.topic.track.clone(),
            width,
            height,
            millifps,
            bitrate,
            published,
            dropped: dropped + self.counters.damaged() + self.counters.withheld(),
        }
    }
}
