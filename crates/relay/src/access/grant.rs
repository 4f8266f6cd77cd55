//! Sessions of the page, and links to one stream: the relay hands them out in place of a token.

use std::sync::Arc;
use std::time::Duration;

use fanlight_grant::{Link, LinkRight, Signer, seconds};
use fanlight_protocol::Timestamp;

use super::entry::{AccessEntry, Rights};
use super::table::AccessTable;

/// Validity of a session that the user asks to keep, and of one that ends with the browser.
pub const KEPT_SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Validity of a session that ends with the browser: some browsers are never closed.
pub const SESSION: Duration = Duration::from_secs(24 * 3600);

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
        true => Ok((link, entry.clone())),
        false => Err(GrantError::Expired),
    }
}

/// Returns the signed text of a session of this entry.
pub fn sign_session(signer: &Signer, entry: &AccessEntry, expires: Timestamp) -> String {
    let text = format!("{} {}", seconds::of(expires), entry.name);
    signer.sign(SESSION_PURPOSE, &entry.token, &text)
}

/// Returns the entry of a session, and the end of its validity.
///
/// # Errors
/// Fails if it is not genuine or has expired.
pub fn verify_session(
    signed: &str,
    signer: &Signer,
    table: &AccessTable,
    now: Timestamp,
) -> Result<(Arc<AccessEntry>, Timestamp), GrantError> {
    let text = Signer::text(signed).ok_or(GrantError::Invalid)?;
    let (expires, name) = text.split_once(' ').ok_or(GrantError::Invalid)?;
    let entry = table.named(name).ok_or(GrantError::Invalid)?;
    if !signer.is_genuine(SESSION_PURPOSE, &entry.token, signed) {
        return Err(GrantError::Invalid);
    }
    let expires = seconds::parse(expires).ok_or(GrantError::Invalid)?;
    if expires > now { Ok((entry.clone(), expires)) } else { Err(GrantError::Expired) }
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
    }

    #[test]
    fn a_link_and_a_session_end_with_their_token_and_do_not_replace_each_other() {
        let (known, changed) = (table("a-token"), table("another"));
        let entry = known.named("my wall").unwrap();
        let session = sign_session(&signer(), entry, link().expires);
        let link = link().sign(&signer(), &entry.name, &entry.token);
        assert!(verify_session(&session, &signer(), &known, NOW).is_ok());
        for table in [&changed, &AccessTable::default()] {
            assert_eq!(verify_link(&link, &signer(), table, NOW).err(), Some(GrantError::Invalid));
            let session = verify_session(&session, &signer(), table, NOW);
            assert_eq!(session.err(), Some(GrantError::Invalid));
        }
        assert!(verify_link(&session, &signer(), &known, NOW).is_err());
        assert!(verify_session(&link, &signer(), &known, NOW).is_err());
    }
}
