//! Video files: which of them can be read. FFmpeg plays them at the pace of their own timestamps.

use std::fs;
use std::io;
use std::path::Path;

use fanlight_cli::stop::Shutdown;

use super::contract::Source;
use super::error::SourceError;
use super::ffmpeg::MediaSource;

/// Opens a file, to be restarted at its end if `looped`. JPEGs and H.264 are delivered undecoded.
///
/// # Errors
/// Fails if it cannot be opened, with the reason.
pub fn open(path: &Path, looped: bool, stop: Shutdown) -> Result<Box<dyn Source>, SourceError> {
    // Before opening, because a pipe would block.
    check(path)?;
    Ok(Box::new(MediaSource::open_file(path, looped, stop)?))
}

/// Checks that a file exists and can be read, without reading it.
///
/// # Errors
/// Fails if it cannot be read, with the reason.
pub fn check(path: &Path) -> Result<(), SourceError> {
    let shown = path.display();
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
