//! The folder in which publishers and subscribers of one user find each other without configuration.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Most publishers a subscriber follows in one folder.
pub const MAX_PUBLISHERS: usize = 64;

/// The reason why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system reported an error.
    #[error("cannot use {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another user owns the folder.
    #[error("{} belongs to another user (uid {owner}, this is uid {own}): remove it, or set XDG_RUNTIME_DIR", path.display())]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This process's user.
        own: u32,
    },
    /// Other users can enter the folder, and could publish frames in it.
    #[error("{} is open to other users (mode {mode:04o}): chmod 700 it", path.display())]
    Mode {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// A folder for sockets that only its owner may enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Returns the default folder: `$XDG_RUNTIME_DIR/fanlight`, or else `fanlight-UID` in the temporary folder. Creates it
    /// if it is missing.
    ///
    /// # Errors
    /// Fails if it cannot be created, or if another user owns it or may enter it.
    pub fn default_of_user() -> Result<Self, FolderError> {
        let own = rustix::process::getuid().as_raw();
        let path = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            Some(runtime) => PathBuf::from(runtime).join("fanlight"),
            None => std::env::temp_dir().join(format!("fanlight-{own}")),
        };
        Self::at(path)
    }

    /// Returns the folder at this path. Creates it (mode 0700) if it is missing.
    ///
    /// # Errors
    /// Fails if it cannot be created, or if another user owns it or may enter it.
    pub fn at(path: PathBuf) -> Result<Self, FolderError> {
        let file_error = |source: io::Error| FolderError::Io { path: path.clone(), source };
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(file_error(error));
            }
            _ => {}
        }
        // A link is not followed: another user could have placed it.
        let meta = fs::symlink_metadata(&path).map_err(file_error)?;
        let (owner, own) = (meta.uid(), rustix::process::getuid().as_raw());
        if owner != own {
            return Err(FolderError::Owner { path, owner, own });
        }
        if !meta.is_dir() {
            return Err(file_error(io::ErrorKind::NotADirectory.into()));
        }
        match meta.mode() & 0o7777 {
            mode if mode & 0o077 != 0 => Err(FolderError::Mode { path, mode }),
            _ => Ok(Self(path)),
        }
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_open_to_other_users_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fanlight");
        Folder::at(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Folder::at(path), Err(FolderError::Mode { mode: 0o755, .. })));
    }

    #[test]
    fn a_link_or_file_instead_of_the_folder_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(temp.path(), &link).unwrap();
        assert!(Folder::at(link).is_err());
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Folder::at(file).is_err());
    }
}
