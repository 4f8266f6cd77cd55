//! Webcams, read through OpenCV and Video4Linux.
//!
//! - [`request`], [`selector`] and [`controls`]: what a user can request;
//! - [`finder`]: finds the camera's device file; `memory`: recognizes a camera that was unplugged;
//! - `sysfs` and `v4l2`: queries to the kernel and to the driver;
//! - `opening`: requests format, size and frame rate from a camera;
//! - `raw`: frames in the formats of most cameras;
//! - `names`: persistent names of a camera;
//! - [`list`]: the list of webcams for the user;
//! - `diagnose`: why a camera delivers no video.

pub mod controls;
mod diagnose;
pub mod finder;
pub mod list;
mod memory;
mod names;
mod opening;
mod raw;
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
    CAP_PROP_CONVERT_RGB, CAP_PROP_POS_MSEC, VideoCapture, VideoCaptureTrait,
    VideoCaptureTraitConst,
};

use super::contract::{About, DecodedFrom, Grabbed, Source};
use super::error::SourceError;
use crate::frame::FrameData;
use crate::frame::latest::Buffers;
use crate::pixels::bgr::BgrConverter;
use crate::stall;
pub use finder::Finder;
use raw::RawFrames;
pub use request::WebcamRequest;

/// The interval at which a wait for the camera checks for a shutdown and for a stall.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// The largest plausible age of a driver's timestamp. An older one is not from the monotonic clock.
const MAX_AGE: Duration = Duration::from_secs(10);
/// A timestamp may be this far in the future, because the two clocks are not read at the same moment.
const MAX_AHEAD: Duration = Duration::from_millis(5);
/// The most stale frames to skip. Drivers queue four buffers or a few more; after this many, the camera itself is slow.
const MAX_STALE: u64 = 16;

/// Finds and opens the webcam that a stream requests.
///
/// # Errors
/// Fails if no camera matches, or it cannot be opened, with the reason.
pub fn open(
    request: &WebcamRequest,
    finder: &Finder,
    stream: &StreamName,
    stop: Shutdown,
) -> Result<Box<dyn Source>, SourceError> {
    let device = finder.find(&request.selector)?;
    let mut webcam = Webcam::open(&device, request, stop)?;
    webcam.name = finder.opened(&request.selector, &device, stream);
    finder.warn(controls::apply(&device, &request.controls), stream);
    Ok(Box::new(webcam))
}

/// Checks that the camera is plugged in, without opening it, which would wake it up and light its LED.
///
/// # Errors
/// Fails if it is missing, with the reason.
pub fn check(request: &WebcamRequest, finder: &Finder) -> Result<(), SourceError> {
    finder.check(&request.selector)
}

/// A webcam as a source.
#[derive(Debug)]
pub struct Webcam {
    device: PathBuf,
    /// Its name for messages.
    name: String,
    about: About,
    /// True if it delivers JPEGs.
    sends_jpegs: bool,
    /// The camera's pixel format, unless it delivers JPEGs.
    raw_format: Option<String>,
    /// Converts raw frames, if they have a known format.
    raw: Option<RawFrames>,
    /// Converts those of other formats, after OpenCV.
    bgr: BgrConverter,
    /// The last frame, as OpenCV returned it.
    bytes: Mat,
    /// The same camera, in the form that OpenCV needs to wait for it.
    cameras: Vector<VideoCapture>,
    camera: VideoCapture,
    /// The age from which a frame is stale if another one is waiting.
    stale: Duration,
    stall_limit: Duration,
    /// The driver's timestamp of the frame grabbed last.
    own_time: Option<Timestamp>,
    stop: Shutdown,
}

impl Webcam {
    /// Opens a device file with the requested mode, though the camera may choose another one. JPEGs are delivered
    /// undecoded.
    ///
    /// # Errors
    /// Fails if it cannot be opened, with the reason.
    pub fn open(
        device: &Path,
        request: &WebcamRequest,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let format = opening::choose_format(device, request)?;
        let mut camera = opening::open(device, request.mode, format.as_deref())?;
        if !camera.is_opened()? {
            return Err(diagnose::reason(device));
        }
        let actual = opening::actual_format(&camera)?;
        if let Some(requested) = request.format.as_ref().filter(|format| **format != *actual) {
            return Err(SourceError::NotSupported(format!(
                "{}: OpenCV cannot read this camera's format {requested}: choose another with #format=",
                device.display()
            )));
        }
        // Set after opening, because not every version of OpenCV accepts this property before.
        let sends_jpegs = opening::is_jpeg(&actual) && camera.set(CAP_PROP_CONVERT_RGB, 0.0)?;
        let raw = if sends_jpegs { None } else { RawFrames::of(device) };
        let raw = match raw {
            Some(raw) if camera.set(CAP_PROP_CONVERT_RGB, 0.0)? => Some(raw),
            _ => None,
        };
        let interval = opening::actual_interval(&camera)?;
        let raw_format = (!sends_jpegs).then(|| actual.clone());
        let actual = opening::describe(&camera, &actual, sends_jpegs)?;
        let requested = format.map_or(String::new(), |format| format + " ");
        let description = format!("camera sends {actual} (requested: {requested}{})", request.mode);
        let about = About { description, interval, recorded: false };
        let mut cameras = Vector::new();
        cameras.push(camera);
        let interval = interval.unwrap_or(request.mode.interval());
        Ok(Self {
            device: device.into(),
            name: request.selector.to_string(),
            about,
            sends_jpegs,
            raw_format,
            raw,
            bgr: BgrConverter::default(),
            bytes: Mat::default(),
            camera: cameras.get(0)?,
            cameras,
            stale: interval * 2 + Duration::from_millis(20),
            stall_limit: stall::limit(Some(interval)),
            own_time: None,
            stop,
        })
    }

    /// Waits for a frame.
    fn wait(&mut self) -> Result<(), SourceError> {
        let since = Instant::now();
        while !self.ready_within(CHECK_EVERY)? {
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
            .map_err(|_| self.interrupted())
    }

    /// Takes the next frame from the driver's queue; returns when it was captured.
    fn take(&mut self) -> Result<Timestamp, SourceError> {
        if !self.camera.grab()? {
            return Err(self.interrupted());
        }
        let timestamp = self.camera.get(CAP_PROP_POS_MSEC)?;
        self.own_time = own_time(timestamp);
        Ok(captured_at(timestamp, clock::now()))
    }

    /// Returns why no frames arrive: the camera may also be unplugged.
    fn stalled(&mut self, since: Duration) -> SourceError {
        match self.interrupted() {
            unplugged @ SourceError::Unplugged(_) => unplugged,
            _ => SourceError::Stalled(since),
        }
    }

    /// Returns why the camera stopped delivering video.
    fn interrupted(&mut self) -> SourceError {
        // Closed first, so that this process is not found as the one that uses the camera.
        self.cameras.clear();
        let _ = self.camera.release();
        diagnose::reason_of_interruption(&self.device, &self.name)
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
        // After a stall of this process, the driver's queue contains stale frames.
        while clock::now().since(captured_at) > self.stale
            && skipped < MAX_STALE
            && self.ready_within(Duration::ZERO)?
        {
            captured_at = self.take()?;
            skipped += 1;
        }
        Ok(Some(Grabbed { captured_at, skipped }))
    }

    fn own_time(&self) -> Option<Timestamp> {
        self.own_time
    }

    fn decoded_from(&self) -> Option<DecodedFrom> {
        let format = self.raw_format.clone()?;
        let colours = self.raw.as_ref().map(RawFrames::colours);
        Some(DecodedFrom { format, colours, reason: "its frames are not compressed".into() })
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        retrieve(&mut self.camera, &mut self.bytes)?;
        if self.sends_jpegs {
            // One row of bytes, sometimes with padding after the end of the JPEG.
            return Ok(FrameData::Jpeg(self.bytes.data_bytes()?.to_vec()));
        }
        let mut image = buffers.take();
        if let Some(raw) = &mut self.raw {
            raw.convert(self.bytes.data_bytes()?, &mut image)?;
        } else if self.bytes.typ() == CV_8UC3 {
            self.bgr.convert(&self.bytes, &mut image)?;
        } else {
            return Err(SourceError::NotSupported(format!(
                "{}: OpenCV cannot convert this camera's format: choose another with #format=",
                self.device.display()
            )));
        }
        Ok(FrameData::Pixels(image))
    }
}

fn retrieve(camera: &mut VideoCapture, into: &mut Mat) -> Result<(), SourceError> {
    if camera.retrieve(into, 0)? && !into.empty() {
        Ok(())
    } else {
        Err(SourceError::NotAVideo("the camera sent a damaged frame".into()))
    }
}

/// Returns the driver's timestamp, by its own clock. Not every driver has one.
fn own_time(driver_millis: f64) -> Option<Timestamp> {
    let is_valid = driver_millis > 0.0 && driver_millis < 1e15;
    is_valid.then(|| Timestamp::from_micros((driver_millis * 1000.0) as u64))
}

/// Translates the driver's timestamp to this process's clock; returns `now` if it is not plausible.
fn captured_at(driver_millis: f64, now: Timestamp) -> Timestamp {
    let Some(own) = own_time(driver_millis) else { return now };
    let timestamp = clock::from_monotonic(Duration::from_micros(own.micros()));
    match now.since(timestamp) > MAX_AGE || timestamp.since(now) > MAX_AHEAD {
        true => now,
        false => timestamp.min(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mode::Mode;
    use rustix::time::{ClockId, clock_gettime};

    fn monotonic_millis() -> f64 {
        let reading = clock_gettime(ClockId::Monotonic);
        reading.tv_sec as f64 * 1e3 + reading.tv_nsec as f64 / 1e6
    }

    #[test]
    fn a_drivers_timestamp_is_translated() {
        let timestamp = captured_at(monotonic_millis() - 40.0, clock::now());
        let age = clock::now().since(timestamp);
        assert!(age >= Duration::from_millis(39) && age < Duration::from_secs(5), "{age:?}");
    }

    #[test]
    fn an_implausible_timestamp_is_replaced_by_now() {
        let now = clock::now();
        for odd in [0.0, -1.0, f64::NAN, 1e300, 1.0, monotonic_millis() + 60_000.0] {
            assert_eq!(captured_at(odd, now), now, "{odd}");
        }
    }

    #[test]
    fn a_missing_camera_is_not_found() {
        let missing = Path::new("/dev/video250");
        let request = WebcamRequest::new(selector::Selector::Path(missing.into()), Mode::default());
        let error = Webcam::open(missing, &request, Shutdown::new());
        assert!(matches!(error, Err(SourceError::NotFound(_))), "{error:?}");
    }
}
