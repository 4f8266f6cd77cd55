//! One live publisher to a Unix socket's path.
//!
//! ZeroMQ silently takes over a path that another process is bound to. So a publisher holds an exclusive `flock(2)` on
//! `PATH.lock` for as long as it lives; the kernel lets go of it however the process ends. Whether a socket file is
//! alive or left over is therefore asked of its lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// A subscriber that looks whether a lock is held takes it for an instant; so does whoever clears up. Five tries of
/// 20 ms outlast that.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The lock of one socket's path, held until dropped. The socket's file goes with it: ZeroMQ leaves it behind.
#[derive(Debug)]
pub(crate) struct PathLock {
    socket: PathBuf,
    path: PathBuf,
    _file: File,
}

/// Why a lock is not ours.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Somebody holds it: this process, where it says so.
    Held(Option<u32>),
    Io(io::Error),
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

impl PathLock {
    /// Takes the lock of a socket's path and writes this process's id into it.
    pub(crate) fn take(socket: &Path) -> Result<Self, LockError> {
        let path = lock_path(socket);
        for tries_left in (0..TRIES).rev() {
            match try_take(&path) {
                Err(LockError::Held(_)) if tries_left > 0 => std::thread::sleep(PAUSE),
                Ok(file) => return Ok(Self { socket: socket.into(), path, _file: file }),
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last try returns")
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // Removed while still held, so that nobody else's fresh socket or lock is taken away.
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
        // It was removed between our opening and locking it; the next try makes a new one.
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

/// Whether a live publisher is bound to this socket's path. Where it was left over by one that died, socket and lock
/// are removed. In doubt, such as out of file descriptors, it counts as alive.
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
    fn a_second_publisher_learns_who_holds_the_path() {
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
    fn what_a_dead_publisher_left_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("cam.ipc");
        fs::write(&socket, "").unwrap();
        fs::write(lock_path(&socket), "1\n").unwrap();
        assert!(!is_alive(&socket));
        assert!(!socket.exists());
        assert!(!lock_path(&socket).exists());
    }
}
