//! Videos on this machine, through OpenCV, played at the pace of their own time stamps.

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

use super::pacing::{Pacing, Turn};
use super::{About, Grabbed, Source, SourceError, ffmpeg};
use crate::frame::Picture;
use crate::frame::latest::Buffers;

/// The rate of a recording that does not tell its own: that of European television.
const USUAL_FPS: f64 = 25.0;

/// A video file as a source.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    looped: bool,
    about: About,
    video: VideoCapture,
    /// Pictures read since the beginning of the file.
    read: u64,
    pacing: Pacing,
    stop: Shutdown,
}

/// What can be passed on as it is.
const PASSED_ON: [&[u8; 4]; 4] = [b"MJPG", b"H264", b"AVC1", b"X264"];

/// Opens a file, to begin again at its end if `looped`. One that holds JPEGs or H.264 gives them as they are.
///
/// # Errors
/// With the reason in words, where it cannot be opened.
pub fn open(path: &Path, looped: bool, stop: Shutdown) -> Result<Box<dyn Source>, SourceError> {
    let video = open_video(path)?;
    let fourcc = (video.get(CAP_PROP_FOURCC)? as u32).to_le_bytes();
    if !PASSED_ON.iter().any(|known| fourcc.eq_ignore_ascii_case(*known)) {
        return Ok(Box::new(File::new(path, looped, video, stop)?));
    }
    drop(video);
    Ok(Box::new(ffmpeg::MediaSource::of_file(path, looped, stop)?))
}

/// Whether a file is still there.
///
/// # Errors
/// With the reason in words, where it is not.
pub fn look(path: &Path) -> Result<(), SourceError> {
    check(path)
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
            .unwrap_or(USUAL_FPS);
        let interval = Duration::from_secs_f64(1.0 / fps);
        let (width, height) = (video.get(CAP_PROP_FRAME_WIDTH)?, video.get(CAP_PROP_FRAME_HEIGHT)?);
        let description = format!("file of {width}x{height} at {fps:.4} fps");
        let about = About { description, interval: Some(interval), recorded: true };
        let pacing = Pacing::new(interval);
        Ok(Self { path: path.into(), looped, about, video, read: 0, pacing, stop })
    }

    /// Goes to the next picture, over the end of the file if it is looped; false at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if self.video.grab()? {
            self.read += 1;
            return Ok(true);
        }
        if self.read == 0 {
            let path = self.path.display();
            return Err(SourceError::NotAVideo(format!(
                "{path} holds no picture that can be read"
            )));
        }
        if !self.looped {
            return Ok(false);
        }
        // Opened anew rather than rewound: not every format can be rewound, and a file that was deleted or replaced
        // in the meantime is noticed.
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
            let stamp = Duration::try_from_secs_f64(self.video.get(CAP_PROP_POS_MSEC)? / 1000.0);
            match self.pacing.turn(stamp.unwrap_or_default(), Instant::now()) {
                Turn::Skip(_) => skipped += 1,
                Turn::Show(due) if !super::sleep_until(due, &self.stop) => {
                    return Ok(Some(Grabbed { captured_at: clock::at(due), skipped }));
                }
                Turn::Show(_) => {}
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

    fn retrieve(&mut self, buffers: &Buffers) -> Result<Picture, SourceError> {
        let mut buffer = buffers.take();
        if self.video.retrieve(&mut buffer, 0)? && !buffer.empty() {
            Ok(Picture::Pixels(buffer))
        } else {
            Err(SourceError::NotAVideo(format!("{} holds a damaged picture", self.path.display())))
        }
    }
}

fn open_video(path: &Path) -> Result<VideoCapture, SourceError> {
    check(path)?;
    // With the scheme, a name such as "cam:1.mp4" is not taken for one.
    let mut url = OsString::from("file:");
    url.push(path);
    match VideoCapture::from_file(url, CAP_FFMPEG) {
        Ok(video) if video.is_opened()? => Ok(video),
        _ => Err(SourceError::NotAVideo(format!(
            "{} has no video in it that FFmpeg can read, or is damaged",
            path.display()
        ))),
    }
}

/// The reasons that OpenCV keeps to itself.
fn check(path: &Path) -> Result<(), SourceError> {
    let shown = path.display();
    // Before it is opened: a pipe would block.
    let facts = fs::metadata(path).map_err(|error| reason(path, &error))?;
    if facts.is_dir() {
        Err(SourceError::NotAVideo(format!("{shown} is a folder")))
    } else if !facts.is_file() {
        Err(SourceError::NotAVideo(format!("{shown} is no file but a pipe, socket or device")))
    } else if facts.len() == 0 {
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
            SourceError::NotPermitted(format!("this user may not read {shown}"))
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
    fn what_is_no_video_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        assert!(refused(&folder.path().join("none.mp4")).starts_with("not found: /"));
        assert!(refused(folder.path()).ends_with("is a folder"));
        assert!(refused(&write("empty.mp4", "")).ends_with("is empty"));
        assert!(refused(&write("text.mp4", "no video")).contains("no video in it"));
    }
}
