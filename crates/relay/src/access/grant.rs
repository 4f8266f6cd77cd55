//! Sessions of the page, and links to one stream: the relay hands them out in place of a token.

use std::sync::Arc;
use std::time::Duration;

use fanlight_protocol::{StreamName, Timestamp};

use super::entry::{AccessEntry, Rights};
use super::signer::Signer;
use super::table::AccessTable;

/// Longest validity of a link.
pub const MAX_LINK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shortest validity of a link.
pub const MIN_LINK: Duration = Duration::from_secs(10);
/// Validity of a session that the user asks to keep, and of one that ends with the browser.
pub const KEPT_SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Validity of a session that ends with the browser: some browsers are never closed.
pub const SESSION: Duration = Duration::from_secs(24 * 3600);

/// The purposes of signatures.
const LINK_PURPOSE: &str = "link";
const SESSION_PURPOSE: &str = "session";

/// The reason why a session or a link is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantError {
    /// It is forged, or its token or secret has changed.
    Invalid,
    /// It has expired.
    Expired,
}

/// The right of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRight {
    /// View the stream.
    View,
    /// Publish the stream.
    Publish,
}

/// A link: the right of an entry on one stream, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The right.
    pub right: LinkRight,
    /// The stream.
    pub stream: StreamName,
    /// The end of its validity.
    pub expires: Timestamp,
}

impl LinkRight {
    /// Returns the name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Publish => "publish",
        }
    }

    /// Returns the right with this name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::View, Self::Publish].into_iter().find(|right| right.as_str() == text)
    }

    /// Returns the rights of a client with the link.
    pub fn rights(self) -> Rights {
        match self {
            Self::View => Rights::VIEW,
            Self::Publish => Rights { publish: true, ..Rights::default() },
        }
    }
}

impl Link {
    /// Returns the signed text of a link by this entry.
    pub fn sign(&self, signer: &Signer, entry: &AccessEntry) -> String {
        let Self { right, stream, expires } = self;
        let text = format!("{} {stream} {} {}", right.as_str(), seconds(*expires), entry.name);
        signer.sign(LINK_PURPOSE, entry, &text)
    }

    /// Returns a link and the entry that made it.
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
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().ok_or(GrantError::Invalid);
        let (right, stream, expires, name) = (word()?, word()?, word()?, word()?);
        let entry = table.named(name).ok_or(GrantError::Invalid)?;
        if !signer.is_genuine(LINK_PURPOSE, entry, signed) {
            return Err(GrantError::Invalid);
        }
        let link = Self {
            right: LinkRight::parse(right).ok_or(GrantError::Invalid)?,
            stream: stream.parse().map_err(|_| GrantError::Invalid)?,
            expires: timestamp(expires)?,
        };
        match link.expires > now {
            true => Ok((link, entry.clone())),
            false => Err(GrantError::Expired),
        }
    }
}

/// Returns the signed text of a session of this entry.
pub fn sign_session(signer: &Signer, entry: &AccessEntry, expires: Timestamp) -> String {
    signer.sign(SESSION_PURPOSE, entry, &format!("{} {}", seconds(expires), entry.name))
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
    if !signer.is_genuine(SESSION_PURPOSE, entry, signed) {
        return Err(GrantError::Invalid);
    }
    let expires = timestamp(expires)?;
    if expires > now { Ok((entry.clone(), expires)) } else { Err(GrantError::Expired) }
}

fn seconds(time: Timestamp) -> u64 {
    time.micros() / 1_000_000
}

fn timestamp(seconds: &str) -> Result<Timestamp, GrantError> {
    let seconds: u64 = seconds.parse().map_err(|_| GrantError::Invalid)?;
    let micros = seconds.checked_mul(1_000_000).ok_or(GrantError::Invalid)?;
    Ok(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::super::entry::TokenHash;
    use super::super::pattern::StreamPattern;
    use super::super::signer::SECRET;
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
        let signed = link().sign(&signer(), table.named("my wall").unwrap());
        let verify = |now| Link::verify(&signed, &signer(), &table, now);
        let (verified, entry) = verify(NOW).unwrap();
        assert_eq!((verified, entry.name.as_str()), (link(), "my wall"));
        assert!(verify(NOW + Duration::from_secs(59)).is_ok());
        assert_eq!(verify(NOW + Duration::from_secs(60)).unwrap_err(), GrantError::Expired);
    }

    #[test]
    fn a_link_and_a_session_end_with_their_token_and_do_not_replace_each_other() {
        let (known, changed) = (table("a-token"), table("another"));
        let entry = known.named("my wall").unwrap();
        let (link, session) =
            (link().sign(&signer(), entry), sign_session(&signer(), entry, link().expires));
        assert!(verify_session(&session, &signer(), &known, NOW).is_ok());
        for table in [&changed, &AccessTable::default()] {
            assert_eq!(Link::verify(&link, &signer(), table, NOW).err(), Some(GrantError::Invalid));
            let session = verify_session(&session, &signer(), table, NOW);
            assert_eq!(session.err(), Some(GrantError::Invalid));
        }
        assert!(Link::verify(&session, &signer(), &known, NOW).is_err());
        assert!(verify_session(&link, &signer(), &known, NOW).is_err());
    }
}
