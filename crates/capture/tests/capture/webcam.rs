//! A real webcam, or a substitute: the kernel's vivid driver, or a fake device. FANLIGHT_TEST_CAMERA names its device
//! file, such as /dev/video0. Without it, these tests are skipped.

use std::fs;
use std::io::{Write, stderr};
use std::path::Path;

use fanlight_bus::IncomingFrame;
use fanlight_capture::frame::FrameData;
use fanlight_capture::frame::latest::Buffers;
use fanlight_capture::source::webcam::selector::Selector;
use fanlight_capture::source::webcam::{Webcam, WebcamRequest};
use fanlight_capture::source::{Source, SourceError};
use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::StreamState;
use opencv::core::{MatTraitConst, Vector};
use opencv::imgcodecs::{IMREAD_COLOR, imdecode};
use parking_lot::{Mutex, MutexGuard};

use crate::harness::{capture, viewer};

/// Allows one test at a time to use the camera.
static CAMERA: Mutex<()> = Mutex::new(());

/// The camera, for one test exclusively.
struct Camera {
    path: String,
    _alone: MutexGuard<'static, ()>,
}

impl Camera {
    fn for_test() -> Option<Self> {
        let Ok(path) = std::env::var("FANLIGHT_TEST_CAMERA") else {
            skip("FANLIGHT_TEST_CAMERA names no camera");
            return None;
        };
        Some(Self { path, _alone: CAMERA.lock() })
    }

    fn stream(&self, more: &str) -> String {
        format!("cam={}{more}", self.path)
    }

    /// Opens the camera directly, as another program would.
    fn open(&self, format: Option<&str>) -> Result<Webcam, SourceError> {
        let path = Path::new(&self.path);
        let mut request =
            WebcamRequest::new(Selector::Path(path.into()), "640x480@30".parse().unwrap());
        request.format = format.map(|format| format.parse().unwrap());
        Webcam::open(path, &request, Shutdown::new())
    }

    /// Returns whether this process has the camera open.
    fn is_held(&self) -> bool {
        let device = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone().into());
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|link| link == device))
    }
}

fn skip(why: &str) {
    let _ = writeln!(stderr(), "skipped: {why}");
}

fn decoded_size(frame: &IncomingFrame) -> (u32, u32) {
    let picture = imdecode(&Vector::from_slice(&frame.payload), IMREAD_COLOR).unwrap();
    (picture.cols() as u32, picture.rows() as u32)
}

#[test]
fn frames_have_true_sizes_and_capture_times() {
    let Some(camera) = Camera::for_test() else { return };
    for more in ["", "#reencode=true"] {
        let capture = capture(&[&camera.stream(more)]);
        let mut viewer = viewer(&capture);
        viewer.watch("cam");
        let mut ages = Vec::new();
        for _ in 0..9 {
            let frame = &viewer.frames("cam", 1)[0];
            ages.push(clock::now().micros_from(frame.meta.captured_at()));
            assert_eq!(decoded_size(frame), frame.meta.size());
            assert!(
                (16..=8192).contains(&frame.meta.width) && (16..=8192).contains(&frame.meta.height)
            );
        }
        ages.sort_unstable();
        // The median, because a busy machine may delay a single frame. It may be negative by the error of the clock
        // offset.
        assert!((-5_000..500_000).contains(&ages[4]), "{more} {ages:?} µs");
    }
}

#[test]
fn a_jpeg_camera_delivers_its_own_jpegs() {
    let Some(camera) = Camera::for_test() else { return };
    let mut webcam = match camera.open(Some("MJPG")) {
        Err(SourceError::NotSupported(why)) => return skip(&why),
        opened => opened.unwrap(),
    };
    webcam.grab().unwrap().unwrap();
    let picture = webcam.retrieve(&Buffers::default()).unwrap();
    assert!(matches!(&picture, FrameData::Jpeg(bytes) if bytes.starts_with(&[0xff, 0xd8])));
}

#[test]
fn an_unsupported_format_is_refused_with_the_supported_ones() {
    let Some(camera) = Camera::for_test() else { return };
    let capture = capture(&[&camera.stream("#format=NO42")]);
    let reason = viewer(&capture).until_offline("cam").reason;
    assert!(reason.starts_with("not supported: ") && reason.contains(": choose "), "{reason}");
}

#[test]
fn an_unwatched_camera_is_closed_and_reopened() {
    let Some(camera) = Camera::for_test() else { return };
    let capture = capture(&[&camera.stream("#control.no_such_thing=1")]);
    let mut viewer = viewer(&capture);
    viewer.watch("cam");
    viewer.frames("cam", 3);
    viewer.unwatch("cam");
    viewer.until("cam", StreamState::Idle);
    let mut others = None;
    viewer.wait("the camera to be free for others", |_| {
        others = if camera.is_held() { None } else { camera.open(None).ok() };
        others.is_some()
    });
    others.take().unwrap().grab().unwrap().unwrap();
    viewer.watch("cam");
    viewer.frames("cam", 3);
    assert_eq!(viewer.until("cam", StreamState::Live).reason, "");
}
