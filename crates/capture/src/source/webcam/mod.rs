//! Webcams, through OpenCV and Video4Linux.
//!
//! - [`list`]: which there are;
//! - `trouble`: why one gives no pictures;
//! - `v4l2`: what only the driver can say.

pub mod list;
mod trouble;
mod v4l2;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fanlight_bus::clock;
use fanlight_program::stop::Shutdown;
use fanlight_protocol::Timestamp;
use opencv::core::{Mat, MatTraitConst, Vector};
use opencv::videoio::{
    CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_PROP_POS_MSEC,
    CAP_V4L2, VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst, VideoWriter,
};

use super::mode::Mode;
use super::{About, Grabbed, Source, SourceError};
use crate::picture::Picture;
use crate::stall;

/// How often a wait for the camera looks whether it shall go on.
const LOOK: Duration = Duration::from_millis(200);
/// A driver's stamp further from now than this is no stamp of this clock.
const BELIEVABLE: Duration = Duration::from_secs(10);
/// A stamp this far in the future is only the two clocks' readings lying apart.
const AHEAD: Duration = Duration::from_millis(5);
/// Drivers queue four buffers or a few more; after so many stale ones the camera is simply slow.
const MOST_STALE: u64 = 16;

/// A webcam as a source.
#[derive(Debug)]
pub struct Webcam {
    device: PathBuf,
    about: About,
    /// The camera once, in the form in which OpenCV waits for cameras.
    cameras: Vector<VideoCapture>,
    camera: VideoCapture,
    /// A picture older than this, with another one waiting, is stale.
    stale: Duration,
    stall_limit: Duration,
    stop: Shutdown,
}

impl Webcam {
    /// Opens a webcam and asks it for this mode; it may give another one.
    ///
    /// # Errors
    /// With the reason in words, where it cannot be opened.
    pub fn open(device: &Path, mode: Mode, stop: Shutdown) -> Result<Self, SourceError> {
        let opened = v4l2::Device::open(device).map_err(|_| trouble::reason(device))?;
        let mjpeg = opened.has_format("MJPG");
        drop(opened);
        let camera = open(device, mode, mjpeg)?;
        if !camera.is_opened()? {
            return Err(trouble::reason(device));
        }
        let interval = given_interval(&camera)?;
        let about = About { description: describe(&camera, mode)?, interval };
        let mut cameras = Vector::new();
        cameras.push(camera);
        let interval = interval.unwrap_or(mode.interval());
        Ok(Self {
            device: device.into(),
            about,
            camera: cameras.get(0)?,
            cameras,
            stale: interval * 2 + Duration::from_millis(20),
            stall_limit: stall::limit(Some(interval)),
            stop,
        })
    }

    /// Waits until a picture is there.
    fn wait(&mut self) -> Result<(), SourceError> {
        let since = Instant::now();
        while !self.ready_within(LOOK)? {
            if self.stop.is_requested() {
                return Err(SourceError::Stopped);
            }
            if since.elapsed() > self.stall_limit {
                return Err(self.stalled(since.elapsed()));
            }
        }
        Ok(())
    }

    fn ready_within(&mut self, at_most: Duration) -> Result<bool, SourceError> {
        let mut ready = Vector::new();
        VideoCapture::wait_any(&self.cameras, &mut ready, at_most.as_nanos() as i64)
            .map_err(|_| self.broken_off())
    }

    fn take(&mut self) -> Result<Timestamp, SourceError> {
        if !self.camera.grab()? {
            return Err(self.broken_off());
        }
        let stamp = self.camera.get(CAP_PROP_POS_MSEC)?;
        Ok(believed(stamp, clock::now()))
    }

    /// A silent camera may also be one that is gone.
    fn stalled(&mut self, since: Duration) -> SourceError {
        match self.broken_off() {
            gone @ SourceError::Unplugged(_) => gone,
            _ => SourceError::Stalled(since),
        }
    }

    /// Why a camera that gave pictures gives none any more.
    fn broken_off(&mut self) -> SourceError {
        // Let go of it first, or we would find ourselves to be those who keep it busy.
        self.cameras.clear();
        let _ = self.camera.release();
        match trouble::reason(&self.device) {
            SourceError::NotFound(_) => SourceError::Unplugged(self.device.display().to_string()),
            other => other,
        }
    }
}

impl Source for Webcam {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        self.wait()?;
        let mut captured_at = self.take()?;
        let mut skipped = 0;
        // After a hold-up of this process the driver's queue is full of the past.
        while clock::now().since(captured_at) > self.stale
            && skipped < MOST_STALE
            && self.ready_within(Duration::ZERO)?
        {
            captured_at = self.take()?;
            skipped += 1;
        }
        Ok(Some(Grabbed { captured_at, skipped }))
    }

    fn retrieve(&mut self, mut buffer: Mat) -> Result<Picture, SourceError> {
        let decoded = self.camera.retrieve(&mut buffer, 0)?;
        if decoded && !buffer.empty() {
            Ok(Picture::Pixels(buffer))
        } else {
            Err(SourceError::NotAVideo("the camera sent a damaged picture".into()))
        }
    }
}

/// Whether a webcam is still there.
///
/// # Errors
/// With the reason in words, where it is not.
pub fn look(device: &Path) -> Result<(), SourceError> {
    // Not opened: some cameras wake up at that, and blink.
    match device.exists() {
        true => Ok(()),
        false => Err(SourceError::Unplugged(device.display().to_string())),
    }
}

fn open(device: &Path, mode: Mode, mjpeg: bool) -> opencv::Result<VideoCapture> {
    let mut wishes = Vec::new();
    if mjpeg {
        wishes.extend([CAP_PROP_FOURCC, VideoWriter::fourcc('M', 'J', 'P', 'G')?]);
    }
    wishes.extend([CAP_PROP_FRAME_WIDTH, mode.width as i32]);
    wishes.extend([CAP_PROP_FRAME_HEIGHT, mode.height as i32]);
    let no_rate = wishes.clone();
    wishes.extend([CAP_PROP_FPS, mode.fps.round().max(1.0) as i32]);
    // OpenCV refuses the whole camera when it refuses one wish, so the wishes become fewer.
    let mut camera = VideoCapture::default()?;
    for wishes in [wishes, no_rate, Vec::new()] {
        camera =
            VideoCapture::from_file_with_params(device, CAP_V4L2, &Vector::from_slice(&wishes))
                .or_else(|_| VideoCapture::default())?;
        if camera.is_opened()? {
            break;
        }
    }
    Ok(camera)
}

fn given_interval(camera: &VideoCapture) -> opencv::Result<Option<Duration>> {
    let fps = camera.get(CAP_PROP_FPS)?;
    let possible = (0.1..1000.0).contains(&fps);
    Ok(possible.then(|| Duration::from_secs_f64(1.0 / fps)))
}

fn describe(camera: &VideoCapture, asked: Mode) -> opencv::Result<String> {
    let fourcc = (camera.get(CAP_PROP_FOURCC)? as u32).to_le_bytes();
    let letters = String::from_utf8_lossy(&fourcc).replace(|c: char| !c.is_ascii_graphic(), "");
    let (width, height) = (camera.get(CAP_PROP_FRAME_WIDTH)?, camera.get(CAP_PROP_FRAME_HEIGHT)?);
    let fps = camera.get(CAP_PROP_FPS)?;
    Ok(format!("camera gives {letters} {width}x{height}@{fps} (asked for MJPG {asked})"))
}

/// The driver's stamp by our clock, or now where there is none to be believed.
fn believed(stamp_millis: f64, now: Timestamp) -> Timestamp {
    if !(stamp_millis > 0.0 && stamp_millis < 1e15) {
        return now;
    }
    let stamp = clock::from_monotonic(Duration::from_secs_f64(stamp_millis / 1000.0));
    if now.since(stamp) > BELIEVABLE || stamp.since(now) > AHEAD { now } else { stamp.min(now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime};

    fn monotonic_millis() -> f64 {
        let reading = clock_gettime(ClockId::Monotonic);
        reading.tv_sec as f64 * 1e3 + reading.tv_nsec as f64 / 1e6
    }

    #[test]
    fn a_drivers_stamp_is_translated() {
        let stamp = believed(monotonic_millis() - 40.0, clock::now());
        let age = clock::now().since(stamp);
        assert!(age >= Duration::from_millis(39) && age < Duration::from_secs(5), "{age:?}");
    }

    #[test]
    fn a_stamp_that_cannot_be_is_replaced_by_now() {
        let now = clock::now();
        for odd in [0.0, -1.0, f64::NAN, 1e300, 1.0, monotonic_millis() + 60_000.0] {
            assert_eq!(believed(odd, now), now, "{odd}");
        }
    }

    #[test]
    fn a_missing_camera_is_not_found() {
        let error = Webcam::open(Path::new("/dev/video250"), Mode::default(), Shutdown::new());
        assert!(matches!(error, Err(SourceError::NotFound(_))), "{error:?}");
    }
}
