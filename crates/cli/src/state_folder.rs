//! The folder for what must outlive a relay: keys, and the token and secret that it made itself. `fanlight` finds them there.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The file with the token that a relay with `--lan` made.
pub const TOKEN: &str = "token";
/// The file with the secret for sessions and links.
pub const SECRET: &str = "secret";
/// The file with the address under which a relay with `--lan` was reached last.
pub const ADDRESS: &str = "address";

/// There is no default folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--state-folder FOLDER is required, because HOME is not set")]
pub struct NoFolder;

/// Returns the default of `--state-folder`: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/fanlight`, else
/// `~/.local/state/fanlight`.
///
/// # Errors
/// Fails if the environment has none of these variables.
pub fn default_folder() -> Result<PathBuf, NoFolder> {
    of_environment(|name| env::var_os(name))
}

fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, NoFolder> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    // systemd separates several folders by colons.
    let of_systemd = set("STATE_DIRECTORY").and_then(|all| env::split_paths(&all).next());
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let of_user = || set("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    of_systemd.or_else(|| of_user().map(|state| state.join("fanlight"))).ok_or(NoFolder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_is_that_of_systemd_or_of_the_user() {
        let folder = |set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(known, _)| *known == name);
            of_environment(|name| found(name).map(|(_, value)| OsString::from(value)))
        };
        let home = ("HOME", "/home/u");
        let of_user = folder(&[home]).unwrap();
        assert_eq!(of_user, PathBuf::from("/home/u/.local/state/fanlight"));
        let xdg = folder(&[home, ("XDG_STATE_HOME", "/state")]).unwrap();
        assert_eq!(xdg, PathBuf::from("/state/fanlight"));
        let systemd = folder(&[home, ("STATE_DIRECTORY", "/var/lib/fanlight:/x")]).unwrap();
        assert_eq!(systemd, PathBuf::from("/var/lib/fanlight"));
        assert_eq!(folder(&[]), Err(NoFolder));
    }
}
