//! The relay's own certificate authority. Clients install its certificate once, and then trust every certificate that it
//! issues for this machine.
//!
//! Each certificate has a key of its own, and its serial number is a hash of that key.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use fanlight_clock as clock;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::machine_names::{MachineName, of_this_machine};
use crate::lan_name::{Changes, LanName};
use crate::state::StateFolder;

/// The files of the state folder.
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Validity of the authority. Its end means that all clients must install another certificate.
const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Validity of an issued certificate: browsers refuse more than 398 days.
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 60 * 60);
/// Certificates are valid from this long before they are made, for clients whose clock is behind.
const BACKDATED: Duration = DAY;
/// A machine without a clock of its own starts in 1970. Its certificates begin here, so that they are valid when the clock
/// is right: 2026-01-01.
const EARLIEST: i64 = 1_767_225_600;

/// The settings of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// The folder where it is kept.
    pub folder: PathBuf,
    /// Names of the relay besides those of the machine.
    pub names: Vec<String>,
    /// The name on the local network.
    pub lan_name: Option<LanName>,
}

impl AuthoritySettings {
    fn machine_names(&self) -> BTreeSet<MachineName> {
        let further = self.names.iter().cloned().chain(self.lan_name.as_ref().map(LanName::name));
        of_this_machine(&further.collect::<Vec<_>>())
    }
}

/// The authority of a relay.
pub(super) struct Authority {
    settings: AuthoritySettings,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: CertificateDer<'static>,
    /// The names in the certificate that is presented, and the time from which it is renewed.
    names: BTreeSet<MachineName>,
    renew_at: i64,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority in the folder, or creates one, and returns it with a certificate for this machine.
    pub(super) fn open(settings: &AuthoritySettings) -> anyhow::Result<(Self, CertifiedKey)> {
        let (folder, now) = (StateFolder::lock(&settings.folder)?, now());
        let (pem, key) = match read_authority(&folder, now)? {
            Some(known) => known,
            None => create_authority(&folder, now)?,
        };
        let shown = || folder.path(CA_CERTIFICATE).display().to_string();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).with_context(shown)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).with_context(shown)?;
        let mut authority = Self {
            settings: settings.clone(),
            issuer,
            pem,
            certificate,
            names: BTreeSet::new(),
            renew_at: 0,
        };
        let wanted = settings.machine_names();
        let certified = match authority.read_issued(&folder, &wanted, now) {
            Some(certified) => certified,
            None => authority.issue(&folder, wanted, now)?,
        };
        Ok((authority, certified))
    }

    /// Issues another certificate if the names or addresses of the machine have changed, or the present one expires soon.
    pub(super) fn renew(&mut self) -> anyhow::Result<Option<CertifiedKey>> {
        let (wanted, now) = (self.settings.machine_names(), now());
        if wanted == self.names && now < self.renew_at {
            return Ok(None);
        }
        let folder = StateFolder::lock(&self.settings.folder)?;
        // Another relay with the same folder may have been faster.
        if let Some(certified) = self.read_issued(&folder, &wanted, now) {
            return Ok(Some(certified));
        }
        self.issue(&folder, wanted, now).map(Some)
    }

    /// Returns the changes of the name on the local network, if there is one.
    pub(super) fn name_changes(&self) -> Option<Changes> {
        self.settings.lan_name.as_ref().map(LanName::changes)
    }

    /// Returns the authority's certificate as PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the SHA-256 fingerprint of the authority's certificate, as browsers show it.
    pub(super) fn fingerprint(&self) -> String {
        let hash = Sha256::digest(&self.certificate);
        let mut text = String::new();
        for byte in hash {
            let colon = if text.is_empty() { "" } else { ":" };
            write!(text, "{colon}{byte:02X}").expect("writing to memory does not fail");
        }
        text
    }

    /// Returns the certificate that was issued before, if it has these names, is not to be renewed and is of this authority.
    fn read_issued(
        &mut self,
        folder: &StateFolder,
        wanted: &BTreeSet<MachineName>,
        now: i64,
    ) -> Option<CertifiedKey> {
        let text = folder.read(CERTIFICATE).ok()??;
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().ok()?;
        let (names, renew_at) = names_and_renewal(chain.first()?)?;
        let is_current =
            &names == wanted && now < renew_at && chain.get(1) == Some(&self.certificate);
        if !is_current {
            return None;
        }
        let key = folder.read_secret(KEY).ok()??;
        let certified = certified(chain, &key).ok()?;
        (self.names, self.renew_at) = (names, renew_at);
        Some(certified)
    }

    fn issue(
        &mut self,
        folder: &StateFolder,
        names: BTreeSet<MachineName>,
        now: i64,
    ) -> anyhow::Result<CertifiedKey> {
        let mut params = params(now, VALIDITY);
        params.distinguished_name.push(DnType::CommonName, "Fanlight relay");
        params.subject_alt_names =
            names.iter().filter_map(MachineName::to_alternative_name).collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issued = params.signed_by(&key, &self.issuer)?;
        // The authority's certificate follows, which shows later whose certificate this is.
        let chain = vec![issued.der().clone(), self.certificate.clone()];
        folder.write_secret(KEY, &key.serialize_pem())?;
        folder.write(CERTIFICATE, &format!("{}{}", issued.pem(), self.pem))?;
        let (_, renew_at) =
            names_and_renewal(&chain[0]).context("the new certificate is damaged")?;
        let certified = certified(chain, &key.serialize_pem())?;
        tracing::info!(names = names.len(), "certificate issued; new connections use it");
        (self.names, self.renew_at) = (names, renew_at);
        Ok(certified)
    }
}

/// Returns the time in Unix seconds.
fn now() -> i64 {
    (clock::now().micros() / 1_000_000) as i64
}

/// Returns the parameters of a certificate that is made now.
fn params(now: i64, validity: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a year of four digits");
    let begin = now.max(EARLIEST) - BACKDATED.as_secs() as i64;
    params.not_before = at(begin);
    params.not_after = at(begin + validity.as_secs() as i64);
    params.distinguished_name = DistinguishedName::new();
    params
}

/// Reads the authority; `None` if there is none, or it has expired.
fn read_authority(folder: &StateFolder, now: i64) -> anyhow::Result<Option<(String, KeyPair)>> {
    let (Some(pem), Some(key)) = (folder.read(CA_CERTIFICATE)?, folder.read_secret(CA_KEY)?) else {
        return Ok(None);
    };
    let shown = |name| folder.path(name).display().to_string();
    let damaged = "it is damaged; remove ca.crt and ca.key, so that a new authority is made";
    let key = KeyPair::from_pem(&key).context(damaged).with_context(|| shown(CA_KEY))?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    let certificate = certificate.context(damaged).with_context(|| shown(CA_CERTIFICATE))?;
    let parsed = X509Certificate::from_der(&certificate);
    let (_, parsed) = parsed.context(damaged).with_context(|| shown(CA_CERTIFICATE))?;
    anyhow::ensure!(
        parsed.public_key().subject_public_key.data == key.public_key_raw(),
        "{}: this is not the key of ca.crt; remove both, so that a new authority is made",
        shown(CA_KEY)
    );
    let until = parsed.validity().not_after.timestamp();
    if now < until {
        return Ok(Some((pem, key)));
    }
    tracing::warn!(
        "the certificate authority of this relay has expired, and a new one is made: clients must install /ca.crt again"
    );
    Ok(None)
}

fn create_authority(folder: &StateFolder, now: i64) -> anyhow::Result<(String, KeyPair)> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut params = params(now, CA_VALIDITY);
    params.distinguished_name.push(DnType::CommonName, format!("Fanlight CA of {host}"));
    // It issues certificates for servers only, and no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    folder.write_secret(CA_KEY, &key.serialize_pem())?;
    folder.write(CA_CERTIFICATE, &certificate.pem())?;
    tracing::info!(file = %folder.path(CA_CERTIFICATE).display(), "certificate authority created");
    Ok((certificate.pem(), key))
}

/// Returns the names in a certificate, and the time from which it is renewed: after two thirds of its validity.
fn names_and_renewal(certificate: &CertificateDer<'_>) -> Option<(BTreeSet<MachineName>, i64)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??.value.general_names.iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(MachineName::Name((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(MachineName::Address),
        _ => None,
    });
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Some((names.collect(), from + (until - from) / 3 * 2))
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(Into::into);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &str) -> anyhow::Result<CertifiedKey> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    Ok(CertifiedKey::from_der(chain, key, &super::provider())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &std::path::Path) -> AuthoritySettings {
        AuthoritySettings {
            folder: folder.to_owned(),
            names: vec!["cams.example.org".into()],
            lan_name: None,
        }
    }

    #[test]
    fn an_authority_and_its_certificate_are_kept_and_follow_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let (first, certified) = Authority::open(&settings(folder.path())).unwrap();
        let (mut again, kept) = Authority::open(&settings(folder.path())).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(certified.cert, kept.cert);
        assert!(again.renew().unwrap().is_none());
        again.settings.names.push("other.example.org".into());
        let renewed = again.renew().unwrap().expect("another name");
        assert_ne!(renewed.cert[0], kept.cert[0]);
        assert_eq!(renewed.cert[1], kept.cert[1]);
        let (names, _) = names_and_renewal(&renewed.cert[0]).unwrap();
        assert!(names.contains(&MachineName::Name("other.example.org".into())));
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_validity() {
        let folder = tempfile::tempdir().unwrap();
        let (mut authority, certified) = Authority::open(&settings(folder.path())).unwrap();
        let (names, renew_at) = names_and_renewal(&certified.cert[0]).unwrap();
        let locked = StateFolder::lock(folder.path()).unwrap();
        assert!(authority.read_issued(&locked, &names, renew_at - 1).is_some());
        assert!(authority.read_issued(&locked, &names, renew_at).is_none());
        let days = (renew_at - now()) / DAY.as_secs() as i64;
        assert!((250..=265).contains(&days), "{days}");
    }

    #[test]
    fn a_machine_that_starts_in_1970_issues_certificates_for_today() {
        let folder = tempfile::tempdir().unwrap();
        let locked = StateFolder::lock(folder.path()).unwrap();
        let (pem, _) = create_authority(&locked, 5).unwrap();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
        assert!(parsed.validity().not_before.timestamp() <= EARLIEST);
        assert!(parsed.validity().not_after.timestamp() > EARLIEST);
        assert!(read_authority(&locked, EARLIEST).unwrap().is_some());
        let end = parsed.validity().not_after.timestamp();
        assert!(read_authority(&locked, end).unwrap().is_none());
    }

    #[test]
    fn a_key_of_another_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let locked = StateFolder::lock(folder.path()).unwrap();
        create_authority(&locked, now()).unwrap();
        let other = KeyPair::generate().unwrap().serialize_pem();
        locked.write_secret(CA_KEY, &other).unwrap();
        let refused = format!("{:#}", read_authority(&locked, now()).unwrap_err());
        assert!(refused.contains("not the key"), "{refused}");
    }
}
