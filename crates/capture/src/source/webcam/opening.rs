//! Opening of a camera: the request for format, size and frame rate, and the mode that the camera chose.

use std::path::Path;
use std::time::Duration;

use opencv::core::Vector;
use opencv::videoio::{
    CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH, CAP_V4L2,
    VideoCapture, VideoCaptureTraitConst,
};

use super::diagnose;
use super::request::WebcamRequest;
use super::v4l2::Device;
use crate::source::error::SourceError;
use crate::source::mode::Mode;

/// The pixel formats that are JPEG.
const JPEGS: [&str; 2] = ["MJPG", "JPEG"];

/// Returns whether a pixel format is JPEG.
pub(super) fn is_jpeg(format: &str) -> bool {
    JPEGS.contains(&format)
}

/// Returns the pixel format to request, if the choice matters.
pub(super) fn choose_format(
    device: &Path,
    request: &WebcamRequest,
) -> Result<Option<String>, SourceError> {
    let opened = Device::open(device).map_err(|_| diagnose::reason(device))?;
    let formats = opened.format_names();
    match &request.format {
        // A device without formats is not a camera, which is diagnosed later.
        Some(requested) if !formats.is_empty() => match requested.find_in(&formats) {
            Some(format) => Ok(Some(format.clone())),
            None => Err(SourceError::NotSupported(format!(
                "{} does not support {requested}: choose {}",
                device.display(),
                formats.join(" or ")
            ))),
        },
        _ => Ok(formats.into_iter().find(|format| is_jpeg(format))),
    }
}

/// Opens a camera with these properties, or with fewer of them if it refuses one.
pub(super) fn open(
    device: &Path,
    mode: Mode,
    format: Option<&str>,
) -> opencv::Result<VideoCapture> {
    let mut properties = Vec::new();
    if let Some(format) = format {
        properties.extend([CAP_PROP_FOURCC, fourcc(format)]);
    }
    properties.extend([CAP_PROP_FRAME_WIDTH, mode.width as i32]);
    properties.extend([CAP_PROP_FRAME_HEIGHT, mode.height as i32]);
    let without_rate = properties.clone();
    properties.extend([CAP_PROP_FPS, mode.fps.round().max(1.0) as i32]);
    // OpenCV refuses to open a camera if it refuses one property, so each attempt requests fewer of them.
    let mut camera = VideoCapture::default()?;
    for properties in [properties, without_rate, Vec::new()] {
        camera =
            VideoCapture::from_file_with_params(device, CAP_V4L2, &Vector::from_slice(&properties))
                .or_else(|_| VideoCapture::default())?;
        if camera.is_opened()? {
            break;
        }
    }
    Ok(camera)
}

/// Returns the number of a FourCC, in which missing letters are spaces.
fn fourcc(format: &str) -> i32 {
    let mut letters = [b' '; 4];
    letters.iter_mut().zip(format.bytes()).for_each(|(letter, byte)| *letter = byte);
    i32::from_le_bytes(letters)
}

/// Returns the pixel format that the camera chose.
pub(super) fn actual_format(camera: &VideoCapture) -> opencv::Result<String> {
    let fourcc = (camera.get(CAP_PROP_FOURCC)? as u32).to_le_bytes();
    let letters = String::from_utf8_lossy(&fourcc).replace(|c: char| !c.is_ascii_graphic(), "");
    Ok(letters)
}

/// Returns the frame interval that the camera chose, if it states one.
pub(super) fn actual_interval(camera: &VideoCapture) -> opencv::Result<Option<Duration>> {
    let fps = camera.get(CAP_PROP_FPS)?;
    let is_valid = (0.1..1000.0).contains(&fps);
    Ok(is_valid.then(|| Duration::from_secs_f64(1.0 / fps)))
}

/// Describes the mode that the camera chose, for the log.
pub(super) fn describe(
    camera: &VideoCapture,
    format: &str,
    sends_jpegs: bool,
) -> opencv::Result<String> {
    let (width, height) = (camera.get(CAP_PROP_FRAME_WIDTH)?, camera.get(CAP_PROP_FRAME_HEIGHT)?);
    let fps = camera.get(CAP_PROP_FPS)?;
    let passthrough = if sends_jpegs { ", forwarded undecoded" } else { "" };
    Ok(format!("{format} {width}x{height}@{fps}{passthrough}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opencv::videoio::VideoWriter;

    #[test]
    fn a_fourcc_is_a_number_in_which_missing_letters_are_spaces() {
        assert_eq!(fourcc("MJPG"), VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap());
        assert_eq!(fourcc("Y16"), VideoWriter::fourcc('Y', '1', '6', ' ').unwrap());
    }
}
