//! The folder for what must outlive the relay. Other users cannot read it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rustix::fs::{FlockOperation, flock};

/// The folder's permissions: the owner's alone.
const FOLDER_MODE: u32 = 0o700;
/// The permissions of a secret.
const SECRET_MODE: u32 = 0o600;
/// The permissions of what all may read.
const PUBLIC_MODE: u32 = 0o644;
/// The permissions of all users but the owner.
const OTHERS: u32 = 0o077;

/// A folder that this process alone changes for as long as this value lives.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Creates the folder if it does not exist, and locks it. Another relay holds the lock only while it starts or renews
    /// its certificate.
    ///
    /// # Errors
    /// Fails if the folder cannot be created or opened.
    pub fn lock(path: &Path) -> anyhow::Result<Self> {
        let open = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
            let folder = File::open(path)?;
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        };
        let shown = path.display();
        let lock = open().with_context(|| {
            format!("cannot use the folder {shown}: choose another with --state-folder")
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Returns the path of a file, to show.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Reads a secret; `None` if there is none.
    ///
    /// # Errors
    /// Fails if other users may read it.
    pub fn read_secret(&self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        let path = self.path(name);
        let mode = fs::metadata(&path)?.permissions().mode();
        let shown = path.display();
        ensure!(
            mode & OTHERS == 0,
            "{shown}: other users may read this secret (mode {:o}): if they are trusted, run chmod 600 {shown}; otherwise \
             remove it, so that a new one is made",
            mode & 0o777
        );
        Ok(Some(text))
    }

    /// Writes a secret.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn write_secret(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.replace(name, text, SECRET_MODE)
    }

    /// Writes what all may read.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.replace(name, text, PUBLIC_MODE)
    }

    /// Replaces a file as a whole: a relay that is killed leaves the earlier one.
    fn replace(&self, name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || -> io::Result<()> {
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_owners_alone_and_others_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("state/fanlight");
        let folder = StateFolder::lock(&path).unwrap();
        folder.write_secret("ca.key", "secret").unwrap();
        folder.write("ca.crt", "public").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&folder.path("ca.key")), 0o600);
        assert_eq!(folder.read_secret("ca.key").unwrap().as_deref(), Some("secret"));
        assert_eq!(folder.read("server.crt").unwrap(), None);
        fs::set_permissions(folder.path("ca.key"), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(folder.read_secret("ca.key").unwrap_err().to_string().contains("chmod 600"));
    }
}
