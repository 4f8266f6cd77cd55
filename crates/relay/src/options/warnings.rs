//! Settings that are valid and may not be intended.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Options;

/// Returns the settings that may not be intended. `is_open`: no token is needed.
pub(super) fn of(options: &Options, is_open: bool) -> Vec<String> {
    let for_others = !options.proxy.is_empty() && is_open && options.insecure != Some(true);
    let open = for_others.then(|| {
        "no token is needed: every client that reaches the reverse proxy can watch; add --token TOKEN, or --insecure if that is \
         intended"
            .to_owned()
    });
    open.into_iter().chain(readable(options.secret_file.as_deref())).collect()
}

/// Returns a warning if all users of this machine may read the secret in this file. Containers may need that, so it is no error.
fn readable(file: Option<&Path>) -> Option<String> {
    let file = file?;
    let mode = std::fs::metadata(file).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        let shown = file.display();
        format!("every user of this machine can read the secret in {shown}, and sign with it: chmod 600 {shown}")
    })
}
