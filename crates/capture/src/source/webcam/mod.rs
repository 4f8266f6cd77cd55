//! Webcams, through OpenCV and Video4Linux.
//!
//! - [`asked`], [`which`] and [`controls`]: what a user can ask for;
//! - [`finder`]: where the camera is now, with its `memory` of where it was;
//! - `sysfs` and `v4l2`: what the kernel and the driver say;
//! - `names`: what to write for a camera;
//! - [`list`]: which there are;
//! - `trouble`: why one gives no pictures.

pub mod controls;
mod diagnose;
pub mod finder;
pub mod list;
mod memory;
mod names;
pub mod request;
pub mod selector;
mod sysfs;
mod v4l2;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use fanlight_protocol::{StreamName, Timestamp};
use opencv::core::{CV_8UC3, Mat, MatTraitConst, MatTraitConstManual, Vector};
use opencv::videoio::{
    CAP_PROP_CONVERT_RGB, CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT,
    CAP_PROP_FRAME_WIDTH, CAP_PROP_POS_MSEC, CAP_V4L2, VideoCapture, VideoCaptureTrait,
    VideoCaptureTraitConst,
};

use super::mode::Mode;
use super::{About, Grabbed, Source, SourceError};
use crate::frame::Picture;
use crate::frame::latest::Buffers;
use crate::stall;
pub use finder::Finder;
pub use request::Asked;

/// How often a wait for the camera looks whether it shall go on.
const LOOK: Duration = Duration::from_millis(200);
/// A driver's stamp further from now than this is no stamp of this clock.
const BELIEVABLE: Duration = Duration::from_secs(10);
/// A stamp this far in the future is only the two clocks' readings lying apart.
const AHEAD: Duration = Duration::from_millis(5);
/// Drivers queue four buffers or a few more; after so many stale ones the camera is simply slow.
const MOST_STALE: u64 = 16;
/// The formats in which a camera's pictures are JPEGs.
const JPEGS: [&str; 2] = ["MJPG", "JPEG"];

/// Finds and opens the webcam that a stream asks for.
///
/// # Errors
/// With the reason in words, where there is none or it cannot be opened.
pub fn open(
    asked: &Asked,
    finder: &Finder,
    stream: &StreamName,
    stop: Shutdown,
) -> Result<Box<dyn Source>, SourceError> {
    let device = finder.find(&asked.which)?;
    let mut webcam = Webcam::open(&device, asked, stop)?;
    webcam.called = finder.opened(&asked.which, &device, stream);
    finder.complain(controls::apply(&device, &asked.controls), stream);
    Ok(Box::new(webcam))
}

/// Whether it is still there. It is not opened: some cameras wake up at that, and blink.
///
/// # Errors
/// With the reason in words, where it is not.
pub fn look(asked: &Asked, finder: &Finder) -> Result<(), SourceError> {
    finder.look(&asked.which)
}

/// A webcam as a source.
#[derive(Debug)]
pub struct Webcam {
    device: PathBuf,
    /// What its owner calls it.
    called: String,
    about: About,
    /// Its pictures come as its own JPEGs.
    gives_jpegs: bool,
    /// Those of the last picture, where it is one.
    bytes: Mat,
    /// The camera once, in the form in which OpenCV waits for cameras.
    cameras: Vector<VideoCapture>,
    camera: VideoCapture,
    /// A picture older than this, with another one waiting, is stale.
    stale: Duration,
    stall_limit: Duration,
    stop: Shutdown,
}

impl Webcam {
    /// Opens a device file and asks the camera behind it for what is asked; it may give another mode. Its own JPEGs are taken
    /// as they are.
    ///
    /// # Errors
    /// With the reason in words, where it cannot be opened.
    pub fn open(device: &Path, asked: &Asked, stop: Shutdown) -> Result<Self, SourceError> {
        let format = format(device, asked)?;
        let mut camera = open_camera(device, asked.mode, format.as_deref())?;
        if !camera.is_opened()? {
            return Err(diagnose::reason(device));
        }
        let given = given_format(&camera)?;
        if let Some(wanted) = asked.format.as_ref().filter(|wanted| **wanted != *given) {
            return Err(SourceError::NotOffered(format!(
                "{}: OpenCV cannot read the format {wanted} of this camera",
                device.display()
            )));
        }
        // After it was opened, because not every version of OpenCV takes this wish before.
        let gives_jpegs =
            JPEGS.contains(&given.as_str()) && camera.set(CAP_PROP_CONVERT_RGB, 0.0)?;
        let interval = given_interval(&camera)?;
        let given = describe(&camera, &given, gives_jpegs)?;
        let wanted = format.map_or(String::new(), |format| format + " ");
        let description = format!("camera gives {given} (asked for {wanted}{})", asked.mode);
        let about = About { description, interval, recorded: false };
        let mut cameras = Vector::new();
        cameras.push(camera);
        let interval = interval.unwrap_or(asked.mode.interval());
        Ok(Self {
            device: device.into(),
            called: asked.which.to_string(),
            about,
            gives_jpegs,
            bytes: Mat::default(),
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
        diagnose::reason_of_breaking_off(&self.device, &self.called)
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

    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        if self.gives_jpegs {
            retrieve(&mut self.camera, &mut self.bytes)?;
            // One row of bytes, sometimes with more behind the picture's end.
            return Ok(Picture::Jpeg(self.bytes.data_bytes()?.to_vec()));
        }
        let mut pixels = buffers.take();
        retrieve(&mut self.camera, &mut pixels)?;
        if pixels.typ() == CV_8UC3 {
            Ok(Picture::Pixels(pixels))
        } else {
            Err(SourceError::NotOffered(format!(
                "{}: OpenCV makes no pixels of this camera's format: choose another with #format=",
                self.device.display()
            )))
        }
    }
}

fn retrieve(camera: &mut VideoCapture, into: &mut Mat) -> Result<(), SourceError> {
    if camera.retrieve(into, 0)? && !into.empty() {
        Ok(())
    } else {
        Err(SourceError::NotAVideo("the camera sent a damaged picture".into()))
    }
}

/// The format to ask the camera for, where it matters.
fn format(device: &Path, asked: &Asked) -> Result<Option<String>, SourceError> {
    let opened = v4l2::Device::open(device).map_err(|_| diagnose::reason(device))?;
    let offered = opened.format_names();
    match &asked.format {
        // What is no camera offers nothing, and its trouble is another one.
        Some(wanted) if !offered.is_empty() => match wanted.among(&offered) {
            Some(format) => Ok(Some(format.clone())),
            None => Err(SourceError::NotOffered(format!(
                "{} does not give {wanted}: it gives {}",
                device.display(),
                offered.join(", ")
            ))),
        },
        _ => Ok(offered.into_iter().find(|format| JPEGS.contains(&format.as_str()))),
    }
}

fn open_camera(device: &Path, mode: Mode, format: Option<&str>) -> opencv::Result<VideoCapture> {
    let mut wishes = Vec::new();
    if let Some(format) = format {
        wishes.extend([CAP_PROP_FOURCC, fourcc(format)]);
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

/// Four letters as the number that they are; missing ones are spaces.
fn fourcc(format: &str) -> i32 {
    let mut letters = [b' '; 4];
    letters.iter_mut().zip(format.bytes()).for_each(|(letter, byte)| *letter = byte);
    i32::from_le_bytes(letters)
}

fn given_format(camera: &VideoCapture) -> opencv::Result<String> {
    let fourcc = (camera.get(CAP_PROP_FOURCC)? as u32).to_le_bytes();
    let letters = String::from_utf8_lossy(&fourcc).replace(|c: char| !c.is_ascii_graphic(), "");
    Ok(letters)
}

fn given_interval(camera: &VideoCapture) -> opencv::Result<Option<Duration>> {
    let fps = camera.get(CAP_PROP_FPS)?;
    let possible = (0.1..1000.0).contains(&fps);
    Ok(possible.then(|| Duration::from_secs_f64(1.0 / fps)))
}

fn describe(camera: &VideoCapture, format: &str, gives_jpegs: bool) -> opencv::Result<String> {
    let (width, height) = (camera.get(CAP_PROP_FRAME_WIDTH)?, camera.get(CAP_PROP_FRAME_HEIGHT)?);
    let fps = camera.get(CAP_PROP_FPS)?;
    let form = if gives_jpegs { " as it is" } else { "" };
    Ok(format!("{format} {width}x{height}@{fps}{form}"))
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
    use opencv::videoio::VideoWriter;
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
        let missing = Path::new("/dev/video250");
        let asked = Asked::plain(selector::Selector::Path(missing.into()), Mode::default());
        let error = Webcam::open(missing, &asked, Shutdown::new());
        assert!(matches!(error, Err(SourceError::NotFound(_))), "{error:?}");
    }

    #[test]
    fn four_letters_are_a_number_and_missing_ones_are_spaces() {
        assert_eq!(fourcc("MJPG"), VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap());
        assert_eq!(fourcc("Y16"), VideoWriter::fourcc('Y', '1', '6', ' ').unwrap());
    }
}
