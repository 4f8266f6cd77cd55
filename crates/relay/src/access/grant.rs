//! Sessions of the page, and links to one stream: the relay hands them out in place of a token.

use std::sync::Arc;
use std::time::Duration;

use fanlight_grant::link::MAX_LINK;
use fanlight_grant::{Link, LinkRight, Signer, seconds};
use fanlight_protocol::Timestamp;

use super::entry::{AccessEntry, Rights};
use super::table::AccessTable;

/// Longest time from the token to the end of a session, however often a session begins the next one.
pub const MAX_SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Validity of a session that the user asks to keep.
pub const KEPT_SESSION: Duration = MAX_SESSION;
/// Validity of a session that ends with the browser: some browsers are never closed.
pub const SESSION: Duration = Duration::from_secs(24 * 3600);

/// The most by which the clocks of two relays with one secret may differ.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// The purpose of the signature.
const SESSION_PURPOSE: &str = "session";

/// The reason why a session or a link is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantError {
    /// It is forged, or its token or secret has changed.
    Invalid,
    /// It has expired.
    Expired,
}

/// A session of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The time at which the client presented the token.
    pub signed_in: Timestamp,
    /// The end of its validity.
    pub expires: Timestamp,
}

/// Returns the rights of a client with a link of this right.
pub fn rights(right: LinkRight) -> Rights {
    match right {
        LinkRight::View => Rights::VIEW,
        LinkRight::Publish => Rights { publish: true, ..Rights::default() },
    }
}

/// Returns a link and the entry that made it.
///
/// # Errors
/// Fails if it is not genuine or has expired.
pub fn verify_link(
    signed: &str,
    signer: &Signer,
    table: &AccessTable,
    now: Timestamp,
) -> Result<(Link, Arc<AccessEntry>), GrantError> {
    let read = Link::read(signed).ok_or(GrantError::Invalid)?;
    let entry = table.named(&read.entry).ok_or(GrantError::Invalid)?;
    let link = read.verify(signer, &entry.token).ok_or(GrantError::Invalid)?;
    match link.expires > now {
        _ if link.expires > now + MAX_LINK + MAX_SKEW => Err(GrantError::Invalid),
        true => Ok((link, entry.clone())),
        false => Err(GrantError::Expired),
    }
}

impl Session {
    /// Returns a session that begins now and lasts for `validity`, but no longer than [`MAX_SESSION`] from the time at which
    /// the client presented the token.
    pub fn new(signed_in: Timestamp, now: Timestamp, validity: Duration) -> Self {
        Self { signed_in, expires: (now + validity).min(signed_in + MAX_SESSION) }
    }

    /// Returns the signed text of a session of this entry.
    pub fn sign(&self, signer: &Signer, entry: &AccessEntry) -> String {
        let (signed_in, expires) = (seconds::of(self.signed_in), seconds::of(self.expires));
        signer.sign(SESSION_PURPOSE, &entry.token, &format!("{signed_in} {expires} {}", entry.name))
    }

    /// Returns a session and its entry.
    ///
    /// # Errors
    /// Fails if it is not genuine or has expired.
    pub fn verify(
        signed: &str,
        signer: &Signer,
        table: &AccessTable,
        now: Timestamp,
    ) -> Result<(Self, Arc<AccessEntry>), GrantError> {
        let text = Signer::text(signed).ok_or(GrantError::Invalid)?;
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().ok_or(GrantError::Invalid);
        let (signed_in, expires, name) = (word()?, word()?, word()?);
        let entry = table.named(name).ok_or(GrantError::Invalid)?;
        if !signer.is_genuine(SESSION_PURPOSE, &entry.token, signed) {
            return Err(GrantError::Invalid);
        }
        let time = |text| seconds::parse(text).ok_or(GrantError::Invalid);
        let session = Self { signed_in: time(signed_in)?, expires: time(expires)? };
        // No relay signs another one. With a secret that has leaked, it would outlive the entry's owner.
        let is_plausible = session.signed_in <= now + MAX_SKEW
            && session.expires <= session.signed_in + MAX_SESSION;
        match session.expires > now {
            _ if !is_plausible => Err(GrantError::Invalid),
            true => Ok((session, entry.clone())),
            false => Err(GrantError::Expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use fanlight_grant::TokenHash;
    use fanlight_grant::signer::SECRET;

    use super::super::pattern::StreamPattern;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn table(token: &str) -> AccessTable {
        let entry = AccessEntry {
            name: "my wall".into(),
            token: TokenHash::of(token),
            rights: Rights::ALL,
            streams: vec![StreamPattern::all()],
            viewers: None,
            publishers: None,
        };
        AccessTable::new(vec![entry]).unwrap()
    }

    fn signer() -> Signer {
        Signer::new([3; SECRET])
    }

    fn link() -> Link {
        let expires = NOW + Duration::from_secs(60);
        Link { right: LinkRight::View, stream: "door".parse().unwrap(), expires }
    }

    #[test]
    fn a_link_is_valid_until_it_expires() {
        let table = table("a-token");
        let signed = link().sign(&signer(), "my wall", &TokenHash::of("a-token"));
        let verify = |now| verify_link(&signed, &signer(), &table, now);
        let (verified, entry) = verify(NOW).unwrap();
        assert_eq!((verified, entry.name.as_str()), (link(), "my wall"));
        assert!(verify(NOW + Duration::from_secs(59)).is_ok());
        assert_eq!(verify(NOW + Duration::from_secs(60)).unwrap_err(), GrantError::Expired);
        let long = Link { expires: NOW + MAX_LINK * 2, ..link() };
        let signed = long.sign(&signer(), "my wall", &TokenHash::of("a-token"));
        assert_eq!(verify_link(&signed, &signer(), &table, NOW).unwrap_err(), GrantError::Invalid);
    }

    #[test]
    fn a_link_and_a_session_end_with_their_token_and_do_not_replace_each_other() {
        let (known, changed) = (table("a-token"), table("another"));
        let entry = known.named("my wall").unwrap();
        let session = Session::new(NOW, NOW, SESSION).sign(&signer(), entry);
        let link = link().sign(&signer(), &entry.name, &entry.token);
        assert!(Session::verify(&session, &signer(), &known, NOW).is_ok());
        for table in [&changed, &AccessTable::default()] {
            assert_eq!(verify_link(&link, &signer(), table, NOW).err(), Some(GrantError::Invalid));
            let session = Session::verify(&session, &signer(), table, NOW);
            assert_eq!(session.err(), Some(GrantError::Invalid));
        }
        assert!(verify_link(&session, &signer(), &known, NOW).is_err());
        assert!(Session::verify(&link, &signer(), &known, NOW).is_err());
    }

    #[test]
    fn sessions_that_begin_each_other_end_30_days_after_the_token() {
        let day = Duration::from_secs(24 * 3600);
        let table = table("a-token");
        let entry = table.named("my wall").unwrap();
        let (mut now, mut session) = (NOW, Session::new(NOW, NOW, KEPT_SESSION));
        for _ in 0..29 {
            now = now + day;
            let signed = session.sign(&signer(), entry);
            let (verified, _) = Session::verify(&signed, &signer(), &table, now).unwrap();
            session = Session::new(verified.signed_in, now, KEPT_SESSION);
            assert_eq!(session, Session { signed_in: NOW, expires: NOW + MAX_SESSION });
        }
        let signed = session.sign(&signer(), entry);
        let end = Session::verify(&signed, &signer(), &table, NOW + MAX_SESSION);
        assert_eq!(end.err(), Some(GrantError::Expired));
        assert_eq!(Session::new(NOW, NOW, SESSION).expires, NOW + day);
        let (long, early) = (NOW + MAX_SESSION + day, NOW + day);
        for session in [
            Session { signed_in: NOW, expires: long },
            Session { signed_in: early, expires: early + day },
        ] {
            let forged = session.sign(&signer(), entry);
            let refused = Session::verify(&forged, &signer(), &table, NOW).err();
            assert_eq!(refused, Some(GrantError::Invalid), "{session:?}");
        }
    }
}
