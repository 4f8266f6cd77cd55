//! The certificate that the relay presents: from files, or from a certificate authority of its own.
//!
//! - [`files`]: a certificate and a key that the user has;
//! - [`authority`]: a certificate authority, whose certificate clients install, and the certificates that it issues for
//!   this machine;
//! - [`machine_names`]: the names and addresses of this machine;
//! - [`follow`]: replaces the certificate when its files or the addresses change, and before it expires.
//!
//! Connections and handshakes do not belong here; they are in [`connection`](crate::connection).

pub mod authority;
pub mod files;
mod follow;
mod machine_names;

use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use authority::{Authority, AuthoritySettings};
use files::CertificateFiles;
pub use follow::follow;

/// The protocol above TLS (RFC 7301). Browsers would otherwise prefer HTTP/2, which this relay does not have.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The origin of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// Files of the user.
    Files(CertificateFiles),
    /// The relay's own authority.
    Authority(AuthoritySettings),
}

/// The certificate of a running relay, which can be replaced while connections last.
#[derive(Debug)]
pub struct Certificates {
    source: Source,
    current: Arc<CurrentCertificate>,
}

#[derive(Debug)]
enum Source {
    Files(CertificateFiles),
    Authority(Box<Mutex<Authority>>),
}

impl Certificates {
    /// Reads the files, or opens the authority and issues a certificate if necessary.
    ///
    /// # Errors
    /// Fails with the file or folder that is unusable and the reason.
    pub fn open(source: &CertificateSource) -> anyhow::Result<Self> {
        let (source, certificate) = match source {
            CertificateSource::Files(files) => (Source::Files(files.clone()), files.load()?),
            CertificateSource::Authority(settings) => {
                let (authority, certificate) = Authority::open(settings).context("--tls auto")?;
                (Source::Authority(Box::new(Mutex::new(authority))), certificate)
            }
        };
        Ok(Self { source, current: Arc::new(CurrentCertificate::new(certificate)) })
    }

    /// Returns the certificate of the relay's own authority as PEM, if there is one.
    pub fn ca_certificate(&self) -> Option<String> {
        match &self.source {
            Source::Files(_) => None,
            Source::Authority(authority) => Some(authority.lock().pem().to_owned()),
        }
    }

    /// Returns the settings of TLS 1.2 and 1.3. ESP32 and old players have no TLS 1.3.
    ///
    /// # Errors
    /// Fails only if rustls refuses its own defaults.
    pub fn server_config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .context("cannot prepare TLS")?
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![HTTP_1_1.into()];
        Ok(Arc::new(config))
    }

    /// Returns the SHA-256 fingerprint of the relay's own authority, if there is one.
    pub fn fingerprint(&self) -> Option<String> {
        match &self.source {
            Source::Files(_) => None,
            Source::Authority(authority) => Some(authority.lock().fingerprint()),
        }
    }
}

/// The certificate for new connections.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl CurrentCertificate {
    fn new(certificate: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(certificate)))
    }

    /// Presents another certificate to new connections. The present ones continue.
    fn replace(&self, certificate: CertifiedKey) {
        *self.0.write() = Arc::new(certificate);
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

/// Returns the implementation of all ciphers.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
