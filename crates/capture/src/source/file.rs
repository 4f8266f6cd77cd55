//! Video files, read through OpenCV and played at the pace of their own timestamps.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fanlight_cli::stop::Shutdown;
use fanlight_clock as clock;
use opencv::core::MatTraitConst;
use opencv::videoio::{
    CAP_FFMPEG, CAP_PROP_FOURCC, CAP_PROP_FPS, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FRAME_WIDTH,
    CAP_PROP_POS_MSEC, VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst,
};

use super::contract::{About, Grabbed, Source};
use super::error::SourceError;
use super::ffmpeg;
use super::pacing::{Due, Pacing, sleep_until};
use crate::frame::FrameData;
use crate::frame::latest::Buffers;

/// The rate of a recording that does not state one: that of European television.
const DEFAULT_FPS: f64 = 25.0;

/// A video file as a source.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    looped: bool,
    about: About,
    video: VideoCapture,
    /// Frames read since the beginning of the file.
    read: u64,
    pacing: Pacing,
    stop: Shutdown,
}

/// The codecs that can be forwarded undecoded.
const PASSTHROUGH: [&[u8; 4]; 4] = [b"MJPG", b"H264", b"AVC1", b"X264"];

/// Opens a file, to be restarted at its end if `looped`. JPEGs and H.264 are delivered undecoded.
///
/// # Errors
/// Fails if it cannot be opened, with the reason.
pub fn open(path: &Path, looped: bool, stop: Shutdown) -> Result<Box<dyn Source>, SourceError> {
    let video = open_video(path)?;
    let fourcc = (video.get(CAP_PROP_FOURCC)? as u32).to_le_bytes();
    if !PASSTHROUGH.iter().any(|known| fourcc.eq_ignore_ascii_case(*known)) {
        return Ok(Box::new(File::new(path, looped, video, stop)?));
    }
    drop(video);
    Ok(Box::new(ffmpeg::MediaSource::open_file(path, looped, stop)?))
}

impl File {
    fn new(
        path: &Path,
        looped: bool,
        video: VideoCapture,
        stop: Shutdown,
    ) -> Result<Self, SourceError> {
        let fps = Some(video.get(CAP_PROP_FPS)?)
            .filter(|fps| (0.01..=1000.0).contains(fps))
            .unwrap_or(DEFAULT_FPS);
        let interval = Duration::from_secs_f64(1.0 / fps);
        let (width, height) = (video.get(CAP_PROP_FRAME_WIDTH)?, video.get(CAP_PROP_FRAME_HEIGHT)?);
        let description = format!("file of {width}x{height} at {fps:.4} fps");
        let about = About { description, interval: Some(interval), recorded: true };
        let pacing = Pacing::new(interval);
        Ok(Self { path: path.into(), looped, about, video, read: 0, pacing, stop })
    }

    /// Reads the next frame, restarting a looped file at its end. Returns false at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if self.video.grab()? {
            self.read += 1;
            return Ok(true);
        }
        if self.read == 0 {
            let path = self.path.display();
            return Err(SourceError::NotAVideo(format!("{path} contains no readable frame")));
        }
        if !self.looped {
            return Ok(false);
        }
        // Reopened instead of rewound: not every format can be rewound, and a deleted or replaced file is noticed.
        self.video = open_video(&self.path)?;
        self.read = 0;
        self.pacing.rewind();
        self.advance()
    }
}

impl Source for File {
    fn about(&self) -> &About {
        &self.about
    }

    fn grab(&mut self) -> Result<Option<Grabbed>, SourceError> {
        let mut skipped = 0;
        while !self.stop.is_requested() {
            if !self.advance()? {
                return Ok(None);
            }
            let timestamp =
                Duration::try_from_secs_f64(self.video.get(CAP_PROP_POS_MSEC)? / 1000.0);
            match self.pacing.next(timestamp.unwrap_or_default(), Instant::now()) {
                Due::Missed(_) => skipped += 1,
                Due::At(due) if !sleep_until(due, &self.stop) => {
                    return Ok(Some(Grabbed { captured_at: clock::at(due), skipped }));
                }
                Due::At(_) => {}
            }
        }
        Err(SourceError::Stopped)
    }

    fn can_pause(&self) -> bool {
        true
    }

    fn resume(&mut self) {
        self.pacing.resume();
    }

    fn retrieve(&mut self, buffers: &Buffers) -> Result<FrameData, SourceError> {
        let mut buffer = buffers.take();
        if self.video.retrieve(&mut buffer, 0)? && !buffer.empty() {
            Ok(FrameData::Pixels(buffer))
        } else {
            Err(SourceError::NotAVideo(format!("{} contains a damaged frame", self.path.display())))
        }
    }
}

fn open_video(path: &Path) -> Result<VideoCapture, SourceError> {
    check(path)?;
    // Without this prefix, FFmpeg would read a name such as "cam:1.mp4" as a URL.
    let mut url = OsString::from("file:");
    url.push(path);
    match VideoCapture::from_file(url, CAP_FFMPEG) {
        Ok(video) if video.is_opened()? => Ok(video),
        _ => Err(SourceError::NotAVideo(format!(
            "{} contains no video that FFmpeg can read, or is damaged",
            path.display()
        ))),
    }
}

/// Checks that a file exists and can be read. OpenCV does not report why it cannot open one.
///
/// # Errors
/// Fails if it cannot be read, with the reason.
pub fn check(path: &Path) -> Result<(), SourceError> {
    let shown = path.display();
    // Before opening, because a pipe would block.
    let metadata = fs::metadata(path).map_err(|error| reason(path, &error))?;
    if metadata.is_dir() {
        Err(SourceError::NotAVideo(format!("{shown} is a folder")))
    } else if !metadata.is_file() {
        Err(SourceError::NotAVideo(format!("{shown} is a pipe, socket or device, not a file")))
    } else if metadata.len() == 0 {
        Err(SourceError::NotAVideo(format!("{shown} is empty")))
    } else {
        fs::File::open(path).map(drop).map_err(|error| reason(path, &error))
    }
}

fn reason(path: &Path, error: &io::Error) -> SourceError {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            SourceError::NotFound(shown.to_string())
        }
        io::ErrorKind::PermissionDenied => {
            SourceError::NotPermitted(format!("this user cannot read {shown}"))
        }
        _ => SourceError::Other(format!("{shown}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        open(path, true, Shutdown::new()).map(drop).expect_err("refused").to_string()
    }

    #[test]
    fn a_file_without_video_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        assert!(refused(&folder.path().join("none.mp4")).starts_with("not found: /"));
        assert!(refused(folder.path()).ends_with("is a folder"));
        assert!(refused(&write("empty.mp4", "")).ends_with("is empty"));
        assert!(refused(&write("text.mp4", "no video")).contains("contains no video"));
    }
}
