//! A certificate and its key from files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those of its issuers after it, as PEM.
    pub certificate: PathBuf,
    /// The key of the certificate, as PEM: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both files. A certificate that has expired is accepted with a warning.
    ///
    /// # Errors
    /// Fails with the name of the file that is unusable and the reason.
    pub fn load(&self) -> anyhow::Result<CertifiedKey> {
        let chain = read_chain(&self.certificate)
            .with_context(|| format!("--tls-cert {}", self.certificate.display()))?;
        let key =
            read_key(&self.key).with_context(|| format!("--tls-key {}", self.key.display()))?;
        warn_if_not_valid(&self.certificate, &chain[0]);
        CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
                    "--tls-key {key}: this is not the key of the certificate in --tls-cert {certificate}"
                ),
                error => anyhow::anyhow!("--tls-key {key}: the key cannot be used: {error}"),
            }
        })
    }
}

fn read_chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> = chain.map_err(plain)?;
    ensure!(!chain.is_empty(), "there is no certificate in it; it must be PEM");
    for (number, certificate) in (1..).zip(&chain) {
        if let Err(error) = X509Certificate::from_der(certificate) {
            bail!("certificate {number} in it is damaged: {error}");
        }
    }
    Ok(chain)
}

fn read_key(file: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        pem::Error::NoItemsFound => anyhow::anyhow!(
            "there is no private key in it; it must be PEM, and not encrypted with a password"
        ),
        error => plain(error),
    })
}

/// Returns the reason without rustls' name of the variant.
fn plain(error: pem::Error) -> anyhow::Error {
    match error {
        pem::Error::Io(error) => error.into(),
        error => anyhow::anyhow!("it is no valid PEM: {error}"),
    }
}

/// Logs a warning for a certificate that browsers refuse because of its dates.
fn warn_if_not_valid(file: &Path, certificate: &CertificateDer<'_>) {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return };
    let (validity, file) = (certificate.validity(), file.display());
    if validity.is_valid() {
        return;
    }
    tracing::warn!(
        %file,
        from = %validity.not_before,
        until = %validity.not_after,
        "the certificate is not valid at present, and browsers will refuse it: renew it, or check this machine's clock"
    );
}
