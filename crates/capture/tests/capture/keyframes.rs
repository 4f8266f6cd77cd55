//! A camera that sends a keyframe when it is opened, and none after that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanlight_capture::encode::h264::{EncoderName, H264Encoder};
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::frame::{AccessUnit, CaptureTimes, FrameData};
use fanlight_capture::source::{About, Grabbed, Source, SourceError, SourceFactory};
use fanlight_capture::{Parts, StreamSettings, native};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamState, Timestamp};
use opencv::core::{CV_8UC3, Mat, Scalar};

use crate::harness::{SOON, capture_on, viewer};

/// More frames than are stored for a new decoder.
const BURST: usize = 650;
/// More frames than this test reads.
const FRAMES: usize = 1900;

/// The camera's frames: a keyframe, and deltas.
fn frames() -> Arc<[Vec<u8>]> {
    native::prepare();
    let mut encoder = H264Encoder::new(EncoderName::default_encoder().unwrap());
    let grey = Mat::new_rows_cols_with_default(48, 64, CV_8UC3, Scalar::all(90.0)).unwrap();
    let encoded = (0..FRAMES as u64).map(|number| {
        // So close that the encoder inserts no keyframe of its own.
        let captured_at = Timestamp::from_micros(1_000_000 + number * 1_000);
        let times = CaptureTimes { captured_at, read_at: captured_at };
        let frame = encoder.encode(&grey, times, false).unwrap().unwrap();
        assert_eq!(frame.is_keyframe(), number == 0);
        frame.payload
    });
    encoded.collect()
}

/// The open camera. It delivers its first frames immediately, as if it had been open for some time.
struct Camera {
    about: About,
    frames: Arc<[Vec<u8>]>,
    next: usize,
    burst: Sender<()>,
}

impl Source for Camera {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        if self.next == BURST {
            self.burst.send(()).unwrap_or_default();
        }
        if self.next > BURST {
            thread::park_timeout(Duration::from_millis(20));
        }
        self.next += 1;
        let grabbed = Grabbed { captured_at: clock::now(), skipped: 0 };
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
    burst: Sender<()>,
}

impl SourceFactory for Driver {
    fn open(&mut self, _: &Shutdown) -> Result<Box<dyn Source>, SourceError> {
        // Only the first opening is old when the viewer joins.
        let first = self.openings.fetch_add(1, Ordering::SeqCst) == 0;
        let camera = Camera {
            about: About::default(),
            frames: self.frames.clone(),
            next: 0,
            burst: self.burst.clone(),
        };
        match first {
            true => Ok(Box::new(camera)),
            false => Ok(Box::new(Paced(camera))),
        }
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn clone_box(&self) -> Box<dyn SourceFactory + Send> {
        Box::new(self.clone())
    }
}

/// The camera from its first frame on, at its own pace.
struct Paced(Camera);

impl Source for Paced {
    fn about(&self) -> &About {
        self.0.about()
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        thread::park_timeout(Duration::from_millis(20));
        self.0.next += 1;
        Ok(Some(Grabbed { captured_at: clock::now(), skipped: 0 }))
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        self.0.retrieve(buffers)
    }

    fn needs_every_frame(&self) -> bool {
        true
    }
}

#[test]
fn a_camera_that_is_kept_open_and_sends_no_keyframe_is_opened_again_for_a_new_viewer() {
    let (burst, bursts) = mpsc::channel();
    let openings = Arc::new(AtomicUsize::new(0));
    let driver = Driver { frames: frames(), openings: openings.clone(), burst };
    let driver = Mutex::new(driver);
    let open = move |_: &StreamSettings| -> Box<dyn SourceFactory + Send> {
        Box::new(driver.lock().unwrap().clone())
    };
    let capture = capture_on(&["cam=test"], &["--keep-open"], move || Parts {
        sources: Box::leak(Box::new(open)),
        ..Parts::default()
    });
    let mut viewer = viewer(&capture);
    bursts.recv_timeout(SOON).unwrap();
    viewer.watch("cam");
    let reason = "sends no keyframe";
    viewer.until_so("cam", "the reason", |entry| {
        entry.state == StreamState::Offline && entry.reason.contains(reason)
    });
    assert_eq!(viewer.frames("cam", 5).len(), 5);
    assert_eq!(openings.load(Ordering::SeqCst), 2);
    viewer.until("cam", StreamState::Live);
}
