//! The option `--lan`.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use fanlight_cli::state_folder::{self, ADDRESS};
use serde::Deserialize;

use super::{Options, TlsMode};
use crate::lan::LanSettings;
use crate::lan_name::LanName;
use crate::state::KeptSettings;

/// The option `--lan` as the user wrote it.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LanOptions {
    /// Serve the local network: on all interfaces (IPv4 and IPv6, with the port of --listen), with --tls auto, with a token that
    /// is made once and kept in --state-folder, and as fanlight.local by mDNS
    #[arg(long, env = "FANLIGHT_LAN", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub lan: Option<bool>,
}

impl LanOptions {
    /// Returns whether the relay serves the local network.
    pub(super) fn is_on(&self) -> bool {
        self.lan == Some(true)
    }
}

/// Returns the address of all interfaces, IPv4 and IPv6.
pub(super) fn everywhere(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}

/// Refuses options that contradict `--lan`.
pub(super) fn check(options: &Options) -> anyhow::Result<()> {
    if !options.lan.is_on() {
        return Ok(());
    }
    if let Some(listen) = options.listen {
        let port = listen.port();
        ensure!(
            listen.ip().is_unspecified(),
            "--lan listens on all interfaces, and --listen {listen} on one: write --listen 0.0.0.0:{port} for the port alone, \
             or leave out one of the two"
        );
    }
    ensure!(
        options.insecure != Some(true),
        "--lan makes a token, and --insecure lets everyone watch: leave out one of the two"
    );
    Ok(())
}

/// Returns how certificates are made: automatically with `--lan`, unless the user has one.
pub(super) fn tls_mode(options: &Options) -> Option<TlsMode> {
    let has_files = options.tls_cert.is_some() || options.tls_key.is_some();
    let is_automatic = options.lan.is_on() && !has_files;
    options.tls.or(is_automatic.then_some(TlsMode::Auto))
}

/// Returns the settings of `--lan`.
pub(super) fn settings(options: &Options) -> anyhow::Result<Option<LanSettings>> {
    if !options.lan.is_on() {
        return Ok(None);
    }
    let folder = folder(options)?;
    Ok(Some(LanSettings { name: LanName::new(remembered(&folder).as_deref()), folder }))
}

/// Returns what the relay keeps itself, because the user gave none: the token with `--lan`, and the secret if there is a state
/// folder anyway.
pub(super) fn kept(options: &Options) -> anyhow::Result<Option<KeptSettings>> {
    let token = options.lan.is_on() && options.token.is_none() && options.access.is_empty();
    let secret = (options.lan.is_on() || options.tls.is_some()) && options.secret_file.is_none();
    match token || secret {
        true => Ok(Some(KeptSettings { folder: folder(options)?, token, secret })),
        false => Ok(None),
    }
}

/// Returns the state folder.
pub(super) fn folder(options: &Options) -> anyhow::Result<PathBuf> {
    Ok(options.state_folder.clone().map_or_else(state_folder::default_folder, Ok)?)
}

/// Returns the name that this machine had last: visitors know it.
fn remembered(folder: &Path) -> Option<String> {
    let address = std::fs::read_to_string(folder.join(ADDRESS)).ok()?;
    let (_, rest) = address.trim().split_once("://")?;
    Some(rest.split([':', '/']).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn options(args: &[&str]) -> Options {
        let args = ["fanlight-relay", "--state-folder", "/nowhere"]
            .into_iter()
            .chain(args.iter().copied());
        Options::try_parse_from(args).unwrap()
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |args: &[&str]| check(&options(args)).unwrap_err().to_string();
        let error = refused(&["--lan", "--listen", "127.0.0.1:8000"]);
        assert!(
            error.contains("--listen 127.0.0.1:8000") && error.contains("0.0.0.0:8000"),
            "{error}"
        );
        assert!(refused(&["--lan", "--listen", "192.168.1.5:7474"]).contains("--lan"));
        assert!(refused(&["--lan", "--insecure"]).contains("--insecure"));
        for fine in
            [&["--lan"][..], &["--lan", "--listen", "[::]:80"], &["--lan=false", "--insecure"]]
        {
            check(&options(fine)).unwrap();
        }
    }

    #[test]
    fn what_the_user_gives_is_not_kept() {
        let kept = |args: &[&str]| {
            let kept = kept(&options(args)).unwrap();
            kept.map(|kept| (kept.token, kept.secret))
        };
        assert_eq!(kept(&[]), None);
        assert_eq!(kept(&["--lan"]), Some((true, true)));
        assert_eq!(kept(&["--tls", "auto"]), Some((false, true)));
        assert_eq!(kept(&["--lan", "--token", "a-token"]), Some((false, true)));
        assert_eq!(kept(&["--lan", "--secret-file", "x"]), Some((true, false)));
        assert_eq!(kept(&["--tls", "auto", "--secret-file", "x"]), None);
    }

    #[test]
    fn the_name_of_this_machine_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(remembered(folder.path()), None);
        std::fs::write(folder.path().join(ADDRESS), "https://fanlight-2.local:7474/\n").unwrap();
        assert_eq!(remembered(folder.path()).as_deref(), Some("fanlight-2.local"));
    }
}
