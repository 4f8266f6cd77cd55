//! The options of TLS.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::ValueEnum;
use fanlight_cli::state_folder;
use serde::Deserialize;

use crate::certificates::CertificateSource;
use crate::certificates::authority::AuthoritySettings;
use crate::certificates::files::CertificateFiles;
use crate::lan_name::LanName;

/// The value of `--tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// A certificate authority of the relay's own.
    Auto,
}

/// The settings of TLS.
#[derive(Debug)]
pub struct TlsSettings {
    /// The origin of the certificate.
    pub certificate: CertificateSource,
    /// Plain requests of other machines are answered too.
    pub allow_plain: bool,
}

/// The options of TLS as the user wrote them.
#[derive(Debug)]
pub(super) struct TlsOptions {
    pub(super) mode: Option<TlsMode>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) state_folder: Option<PathBuf>,
    pub(super) allow_plain: bool,
    /// Further names of this relay.
    pub(super) names: Vec<String>,
    /// The name on the local network.
    pub(super) lan_name: Option<LanName>,
}

impl TlsOptions {
    /// Returns the settings of TLS; `None` if the relay is plain.
    pub(super) fn settings(self) -> anyhow::Result<Option<TlsSettings>> {
        let certificate = match (self.mode, self.certificate, self.key) {
            (None, None, None) => {
                ensure!(!self.allow_plain, "--allow-plain: without TLS, all requests are plain");
                return Ok(None);
            }
            (None, Some(certificate), Some(key)) => {
                let files = CertificateFiles { certificate, key };
                // Read here too, so that unusable files are an invalid option.
                files.load()?;
                CertificateSource::Files(files)
            }
            (None, Some(_), None) => bail!("--tls-cert needs --tls-key, the file with its key"),
            (None, None, Some(_)) => {
                bail!("--tls-key needs --tls-cert, the certificate of this key")
            }
            (Some(TlsMode::Auto), None, None) => {
                let folder = self.state_folder.map_or_else(state_folder::default_folder, Ok)?;
                let (names, lan_name) = (self.names, self.lan_name);
                CertificateSource::Authority(AuthoritySettings { folder, names, lan_name })
            }
            (Some(TlsMode::Auto), ..) => {
                bail!("give either --tls auto or --tls-cert and --tls-key")
            }
        };
        Ok(Some(TlsSettings { certificate, allow_plain: self.allow_plain }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> TlsOptions {
        TlsOptions {
            mode: None,
            certificate: None,
            key: None,
            state_folder: None,
            allow_plain: false,
            names: Vec::new(),
            lan_name: None,
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |options: TlsOptions| options.settings().unwrap_err().to_string();
        let file = || Some("x.pem".into());
        assert!(refused(TlsOptions { certificate: file(), ..options() }).contains("--tls-key"));
        assert!(refused(TlsOptions { key: file(), ..options() }).contains("--tls-cert"));
        assert!(refused(TlsOptions { allow_plain: true, ..options() }).contains("without TLS"));
        let both = TlsOptions { mode: Some(TlsMode::Auto), key: file(), ..options() };
        assert!(refused(both).contains("either"));
        assert!(options().settings().unwrap().is_none());
    }
}
