//! The sockets in a folder: one file per publisher.

use std::fs;
use std::path::PathBuf;

use super::lock;
use crate::address::endpoint::Endpoint;
use crate::address::folder::Folder;

/// The extension of a publisher's socket file.
const EXTENSION: &str = "ipc";

/// Returns the endpoint of a publisher of this name.
pub(super) fn endpoint(folder: &Folder, name: &str) -> Endpoint {
    Endpoint::Ipc(folder.path().join(format!("{name}.{EXTENSION}")))
}

/// Returns the endpoints of all live publishers in the folder, in order of name; `None` if the folder cannot be read now.
pub(super) fn publishers(folder: &Folder) -> Option<Vec<Endpoint>> {
    let entries = fs::read_dir(folder.path()).ok()?;
    let mut sockets: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter(|path| lock::is_alive(path))
        .collect();
    sockets.sort();
    Some(sockets.into_iter().map(Endpoint::Ipc).collect())
}
