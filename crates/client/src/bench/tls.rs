//! TLS of the viewers: which server they trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// The authorities that the system trusts, on Debian and most other distributions.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The settings with which viewers begin TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Tls {
    /// Returns the TLS of viewers of this host. Its certificate must be of an authority in `authorities`, a file, or else of
    /// one that the system trusts. With `insecure`, any certificate is accepted.
    ///
    /// # Errors
    /// Fails if the host is no name of a certificate, or the file has no certificates.
    pub fn new(host: &str, authorities: Option<&Path>, insecure: bool) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let server = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let server =
            server.with_context(|| format!("the host {host:?} cannot have a certificate"))?;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let config = if insecure {
            config.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            config.with_root_certificates(trusted(authorities)?)
        };
        Ok(Self { config: Arc::new(config.with_no_client_auth()), server })
    }

    /// Returns the session of a new connection.
    ///
    /// # Errors
    /// Fails only if the system has no random numbers.
    pub(crate) fn begin(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(self.config.clone(), self.server.clone())
    }
}

fn trusted(authorities: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let file = authorities.map_or_else(|| PathBuf::from(SYSTEM), Path::to_owned);
    let shown = || format!("--ca-cert {}", file.display());
    let certificates = CertificateDer::pem_file_iter(&file).and_then(Iterator::collect);
    let certificates: Vec<CertificateDer<'static>> = certificates.with_context(shown)?;
    let mut trusted = RootCertStore::empty();
    // Some that a system trusts may be too old for rustls.
    let (added, _) = trusted.add_parsable_certificates(certificates);
    ensure!(added > 0, "{}: there is no certificate of an authority in it", shown());
    Ok(trusted)
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
