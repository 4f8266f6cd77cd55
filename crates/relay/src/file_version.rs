//! Recognises that a file has changed, as far as its metadata tell. Files are checked in intervals: notifications of the
//! kernel do not pass through every kind of mount.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The interval at which files are checked.
pub const CHECK_EVERY: Duration = Duration::from_secs(1);

/// A version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

impl FileVersion {
    /// Returns the present version; `None` if there is no such file.
    pub fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            modified: metadata.modified().ok()?,
            length: metadata.len(),
            inode: metadata.ino(),
        })
    }
}
