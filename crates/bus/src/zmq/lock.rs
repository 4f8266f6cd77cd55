//! The lock of a Unix socket path: it allows one live publisher.
//!
//! ZeroMQ silently takes over a path that another process is bound to. So a publisher holds an exclusive `flock(2)` on
//! `PATH.lock` while it lives; the kernel releases it however the process ends. The lock therefore shows whether a socket
//! file is in use or stale.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// A subscriber that checks whether a lock is held takes it for an instant, and so does a process that removes stale files.
/// Five attempts, 20 ms apart, outlast that.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The lock of one socket path, held until dropped. Dropping it also removes the socket file, which ZeroMQ leaves behind.
#[derive(Debug)]
pub(crate) struct PathLock {
    socket: PathBuf,
    path: PathBuf,
    _file: File,
}

/// The reason why a lock could not be taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another publisher holds it; with its process id, if the file says so.
    Held(Option<u32>),
    Io(io::Error),
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

impl PathLock {
    /// Takes the lock of a socket path and writes this process's id into it.
    pub(crate) fn take(socket: &Path) -> Result<Self, LockError> {
        let path = lock_path(socket);
        for attempts_left in (0..ATTEMPTS).rev() {
            match try_take(&path) {
                Err(LockError::Held(_)) if attempts_left > 0 => std::thread::sleep(PAUSE),
                Ok(file) => return Ok(Self { socket: socket.into(), path, _file: file }),
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // Removed while still held, so that no other publisher's new socket or lock is removed.
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.path);
    }
}

fn try_take(path: &Path) -> Result<File, LockError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(LockError::Io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if is_still(&file, path) => {
            write_pid(&mut file).map_err(LockError::Io)?;
            Ok(file)
        }
        // It was removed between opening and locking; the next attempt creates a new one.
        Ok(()) => Err(LockError::Held(None)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Held(read_pid(&mut file))),
        Err(error) => Err(LockError::Io(error.into())),
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Returns whether a live publisher is bound to this socket path. Removes socket and lock if they are stale. In doubt, for
/// example if file descriptors have run out, the publisher counts as alive.
pub(crate) fn is_alive(socket: &Path) -> bool {
    let path = lock_path(socket);
    match try_take(&path) {
        Ok(file) => {
            drop(PathLock { socket: socket.into(), path, _file: file });
            false
        }
        Err(LockError::Held(_)) => true,
        Err(LockError::Io(error)) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_publisher_learns_which_process_holds_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("cam.ipc");
        let first = PathLock::take(&socket).unwrap();
        assert!(is_alive(&socket));
        match PathLock::take(&socket) {
            Err(LockError::Held(pid)) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        fs::write(&socket, "").unwrap();
        drop(first);
        assert!(!socket.exists() && !is_alive(&socket));
        PathLock::take(&socket).unwrap();
    }

    #[test]
    fn stale_files_of_a_dead_publisher_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("cam.ipc");
        fs::write(&socket, "").unwrap();
        fs::write(lock_path(&socket), "1\n").unwrap();
        assert!(!is_alive(&socket));
        assert!(!socket.exists());
        assert!(!lock_path(&socket).exists());
    }
}
