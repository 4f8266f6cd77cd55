//! A camera that sends one keyframe, with its first frame, and none after that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanlight_capture::encode::h264::{EncoderName, H264Encoder};
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::frame::{AccessUnit, CaptureTimes, FrameData};
use fanlight_capture::pixels::Image;
use fanlight_capture::pixels::colours::Colours;
use fanlight_capture::source::{About, Grabbed, Source, SourceError, SourceFactory};
use fanlight_capture::{Parts, StreamSettings, native};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamState, Timestamp};

use crate::harness::{Capture, SOON, capture_on, viewer};

/// More frames than are stored for a new decoder.
const LONG: usize = 650;
/// More frames than these tests read.
const FRAMES: usize = 4000;
/// The time between two frames by their capture times, and the time that passes: less, so that the tests do not take long.
const INTERVAL: Duration = Duration::from_millis(40);
const PACE: Duration = Duration::from_millis(4);

/// The camera's frames: a keyframe, and deltas.
fn frames() -> Arc<[Vec<u8>]> {
    native::prepare();
    let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
    let grey = Image::filled((64, 48), Colours::JFIF, [90, 128, 128]).unwrap();
    let encoded = (0..FRAMES as u64).map(|number| {
        // So close that the encoder inserts no keyframe of its own.
        let captured_at = Timestamp::from_micros(1_000_000 + number * 400);
        let times = CaptureTimes { captured_at, read_at: captured_at };
        let frame = encoder.encode(&grey, times, false).unwrap().unwrap();
        assert_eq!(frame.is_keyframe(), number == 0);
        frame.payload
    });
    encoded.collect()
}

/// The open camera.
struct Camera {
    about: About,
    frames: Arc<[Vec<u8>]>,
    opened_at: Timestamp,
    next: usize,
    burst: Sender<()>,
}

impl Source for Camera {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        if self.next == LONG {
            self.burst.send(()).unwrap_or_default();
        }
        thread::park_timeout(PACE);
        self.next += 1;
        let captured_at = self.opened_at + INTERVAL * self.next as u32;
        let grabbed = Grabbed { captured_at, skipped: 0 };
        Ok((self.next < self.frames.len()).then_some(grabbed))
    }

    fn retrieve(&mut self, _: &Buffers) -> Result<FrameData, SourceError> {
        let at = self.next - 1;
        let (bytes, keyframe) = (self.frames[at].clone(), at == 0);
        let unit = AccessUnit {
            bytes,
            number: at as u64,
            keyframe,
            entry: keyframe,
            width: 64,
            height: 48,
        };
        Ok(FrameData::H264(Arc::new(unit)))
    }

    fn needs_every_frame(&self) -> bool {
        true
    }
}

#[derive(Clone)]
struct Driver {
    frames: Arc<[Vec<u8>]>,
    openings: Arc<AtomicUsize>,
    /// The frame with which the first opening begins.
    first: usize,
    burst: Sender<()>,
}

impl SourceFactory for Driver {
    fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        let is_first = self.openings.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(Box::new(Camera {
            about: About::default(),
            frames: self.frames.clone(),
            // In the past, because its time runs faster.
            opened_at: clock::now().offset(-120_000_000),
            next: if is_first { self.first } else { 0 },
            burst: self.burst.clone(),
        }))
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

/// Starts a capture that keeps the camera open. Its first opening begins with this frame. Also returns the number of
/// openings, and an event after many frames.
fn kept_open(first: usize) -> (Capture, Arc<AtomicUsize>, Receiver<()>) {
    let (burst, bursts) = mpsc::channel();
    let openings = Arc::new(AtomicUsize::new(0));
    let driver = Driver { frames: frames(), openings: openings.clone(), first, burst };
    let driver = Mutex::new(driver);
    let open = move |_: &StreamSettings| -> Box<dyn SourceFactory + Send> {
        Box::new(driver.lock().unwrap().clone())
    };
    let capture = capture_on(&["cam=test"], &["--keep-open"], move || Parts {
        sources: Box::leak(Box::new(open)),
        ..Parts::default()
    });
    (capture, openings, bursts)
}

#[test]
fn a_camera_that_is_kept_open_is_shown_immediately_however_old_its_keyframe_is() {
    for track in ["cam", "cam/full.h264"] {
        let (capture, openings, bursts) = kept_open(0);
        let mut viewer = viewer(&capture);
        bursts.recv_timeout(SOON).unwrap();
        viewer.watch(track);
        assert_eq!(viewer.frames(track, 5).len(), 5);
        assert_eq!(openings.load(Ordering::SeqCst), 1);
        let entry = viewer.until("cam", StreamState::Live);
        assert_eq!(entry.reason, "");
    }
}

#[test]
fn a_camera_that_sends_no_keyframe_waits_for_one_and_is_opened_again() {
    for track in ["cam", "cam/full.h264"] {
        let (capture, openings, _bursts) = kept_open(1);
        let mut viewer = viewer(&capture);
        viewer.watch(track);
        for wait in ["1 s", "2 s"] {
            let reason = format!("waiting for a keyframe for {wait}: ");
            viewer.until_so("cam", "the reason", |entry| {
                entry.state == StreamState::Offline && entry.reason.starts_with(&reason)
            });
        }
        assert_eq!(viewer.frames(track, 5).len(), 5);
        assert_eq!(openings.load(Ordering::SeqCst), 2);
        viewer.until("cam", StreamState::Live);
    }
}
