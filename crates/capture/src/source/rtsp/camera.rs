//! A camera that sends H.264 over RTSP, as a source.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_codec::h264::{H264Depacketizer, RtpFrame, RtpPacket};
use fanlight_codec::{SplitError, SplitFrame};
use fanlight_protocol::Timestamp;

use super::camera_clock::CameraClock;
use super::obstacle::{self, Obstacle};
use super::reader_memory::ReaderMemory;
use super::session::{CameraSession, Received};
use super::waiting::Unfinished;
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::source::address::Address;
use crate::source::contract::{About, DecodedFrom, Grabbed, Source};
use crate::source::error::SourceError;
use crate::source::ffmpeg::{self, DEFAULT_INTERVAL, KEYFRAME_TIMEOUT};
use crate::source::interval::{IntervalEstimate, KnownInterval};
use crate::source::video::{Encoded, SourceCodec, Unpacked, Unpacker};

/// A camera whose H.264 retina reads.
pub(super) struct RtspCamera {
    url: Address,
    about: About,
    session: CameraSession,
    depacketizer: H264Depacketizer,
    clock: CameraClock,
    unpacker: Unpacker,
    /// Frames that arrived together.
    ready: VecDeque<RtpFrame>,
    grabbed: Option<Unpacked>,
    /// The capture time of the frame grabbed last, and its time by the camera's date.
    captured_at: Timestamp,
    own_time: Option<Timestamp>,
    estimate: IntervalEstimate,
    /// The time of the last frame, at first that of the connection.
    alive_at: Instant,
    memory: ReaderMemory,
}

impl RtspCamera {
    /// Opens a session, until this time at the latest, and waits for the first frame.
    pub(super) fn open(
        url: &Address,
        until: Instant,
        known: &KnownInterval,
        memory: &ReaderMemory,
        stop: Shutdown,
    ) -> Result<Self, Obstacle> {
        let (session, parameter_sets) = CameraSession::open(url, until, stop)?;
        let (name, codec) = (url.to_string(), SourceCodec::H264(parameter_sets));
        let unpacker = Unpacker::new(name, codec, Some(DEFAULT_INTERVAL));
        let unpacker = unpacker.map_err(|_| Obstacle::Unreadable("H.264 cannot be decoded"))?;
        let opened_at = Instant::now();
        let estimate = IntervalEstimate::new(known, opened_at);
        let about = About {
            description: "live h264 (rtsp over TCP)".into(),
            interval: Some(estimate.interval()),
            recorded: false,
        };
        let mut camera = Self {
            url: url.clone(),
            about,
            session,
            depacketizer: H264Depacketizer::default(),
            clock: CameraClock::new(),
            unpacker,
            ready: VecDeque::new(),
            grabbed: None,
            captured_at: Timestamp::default(),
            own_time: None,
            estimate,
            alive_at: opened_at,
            memory: memory.clone(),
        };
        camera.receive_first(opened_at + camera.estimate.limit())?;
        Ok(camera)
    }

    /// Waits for the first frame.
    fn receive_first(&mut self, until: Instant) -> Result<(), Obstacle> {
        let mut has_packets = false;
        while !self.ready.iter().any(|frame| matches!(frame, RtpFrame::Complete { .. })) {
            match self.receive(until) {
                Ok(()) => has_packets = true,
                Err(Interruption::Unfinished(Unfinished::Late)) if has_packets => {
                    return Err(Obstacle::Unreadable("its packets form no frames"));
                }
                Err(Interruption::Unfinished(unfinished)) => {
                    return Err(Obstacle::Unfinished(unfinished));
                }
                Err(Interruption::Packets(_)) => {
                    return Err(Obstacle::Unreadable("its packets of H.264 are unusual"));
                }
                Err(Interruption::Retina(_)) => {
                    return Err(Obstacle::Unreadable("retina cannot read its packets"));
                }
                Err(Interruption::Closed) => {
                    return Err(Obstacle::Unreadable(
                        "it closed the connection before the first frame",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Waits for a packet or report, until this time at the latest, and notes it.
    fn receive(&mut self, until: Instant) -> Result<(), Interruption> {
        let received = self.session.receive(until).map_err(Interruption::Unfinished)?;
        match received.ok_or(Interruption::Closed)?.map_err(Interruption::Retina)? {
            Received::Report(timestamp, ntp) => self.clock.note_report(micros(timestamp), ntp),
            Received::Packet(packet) => {
                let packet = RtpPacket {
                    payload: packet.payload(),
                    timestamp: micros(packet.timestamp()),
                    marker: packet.mark(),
                    follows_loss: packet.loss() > 0,
                    arrived_at: clock::at(packet.ctx().received()),
                };
                let frames = self.depacketizer.push(packet).map_err(Interruption::Packets)?;
                for frame in frames {
                    // A camera may send nothing else, so they must not add up.
                    if frame != RtpFrame::Missing || self.ready.back() != Some(&RtpFrame::Missing) {
                        self.ready.push_back(frame);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the next frame that the pipeline can use.
    fn next_frame(&mut self) -> Result<Unpacked, SourceError> {
        loop {
            if let Some(frame) = self.unpacker.next_decoded() {
                return Ok(frame);
            }
            let silent = self.alive_at.elapsed();
            if silent > KEYFRAME_TIMEOUT {
                return Err(SourceError::NoKeyframe(silent));
            }
            match self.next_rtp_frame()? {
                RtpFrame::Missing => self.unpacker.skip_missing(),
                RtpFrame::Complete { bytes, timestamp, arrived_at } => {
                    let arrived_at = self.clock.captured_at(timestamp, arrived_at);
                    self.own_time = self.clock.own_time(timestamp);
                    let frame = Encoded::Split(SplitFrame { bytes, arrived_at });
                    if let Some(frame) = self.unpacker.push(frame)? {
                        return Ok(frame);
                    }
                }
            }
        }
    }

    /// Waits for the next frame that the camera sends.
    fn next_rtp_frame(&mut self) -> Result<RtpFrame, SourceError> {
        let began = Instant::now();
        let limit = self.estimate.limit();
        let frame = loop {
            match self.ready.pop_front() {
                Some(frame) => break frame,
                None => self.receive(began + limit).map_err(|why| self.reason(why, limit))?,
            }
        };
        self.estimate.record(Instant::now());
        self.about.interval = Some(self.estimate.interval());
        Ok(frame)
    }

    fn reason(&self, why: Interruption, limit: Duration) -> SourceError {
        match why {
            Interruption::Unfinished(Unfinished::Stopped) => SourceError::Stopped,
            Interruption::Unfinished(Unfinished::Late) => {
                self.estimate.stall();
                SourceError::Stalled(limit)
            }
            Interruption::Unfinished(Unfinished::TooMuch) => ffmpeg::too_long(&self.url),
            Interruption::Unfinished(Unfinished::Panicked) => {
                self.memory.avoid("retina failed on it");
                ffmpeg::broke_rules(&self.url)
            }
            Interruption::Packets(error @ SplitError::AccessUnitTooLarge) => error.into(),
            Interruption::Packets(error) => {
                self.memory.avoid("its packets of H.264 are unusual");
                error.into()
            }
            Interruption::Retina(error) if obstacle::is_of_connection(&error) => {
                ffmpeg::closed(&self.url)
            }
            Interruption::Retina(_) => {
                self.memory.avoid("retina could not read it to the end");
                ffmpeg::broke_rules(&self.url)
            }
            Interruption::Closed => ffmpeg::closed(&self.url),
        }
    }
}

/// The reason why no packet is received.
enum Interruption {
    Unfinished(Unfinished),
    /// The packets do not form frames.
    Packets(SplitError),
    Retina(retina::Error),
    Closed,
}

/// Returns an RTP timestamp in microseconds.
fn micros(timestamp: retina::Timestamp) -> i64 {
    let rate = i128::from(timestamp.clock_rate().get());
    i64::try_from(i128::from(timestamp.timestamp()) * 1_000_000 / rate).unwrap_or(i64::MAX)
}

impl Source for RtspCamera {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let frame = self.next_frame()?;
        self.alive_at = Instant::now();
        // A new estimate of the camera's clock must not let the time run backwards.
        self.captured_at = self.captured_at.max(frame.timestamp);
        self.grabbed = Some(frame);
        Ok(Some(Grabbed { captured_at: self.captured_at, skipped: 0 }))
    }

    fn own_time(&self) -> Option<Timestamp> {
        self.own_time
    }

    fn decoded_from(&self) -> Option<DecodedFrom> {
        self.unpacker.decoded_from()
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        self.unpacker.data(self.grabbed.take(), buffers)
    }

    fn needs_every_frame(&self) -> bool {
        self.unpacker.passes_h264()
    }
}

impl fmt::Debug for RtspCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtspCamera").field("url", &self.url).finish_non_exhaustive()
    }
}
