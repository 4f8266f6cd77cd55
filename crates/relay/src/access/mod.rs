//! Access rules: which client may do what. Every route and every `watch` passes [`Access::authorize`].
//!
//! - [`pattern`] and [`entry`]: a token, and what a client with it may do; [`table`]: all of them;
//! - [`grant`]: what the relay hands out in place of a token: sessions of the page, and links;
//! - [`credentials`]: what a client presents; [`identity`]: what follows from it;
//! - [`watch`]: when a connected client must be checked again;
//! - [`HostRule`]: the names under which the relay may be addressed;
//! - [`OriginRule`]: the rights of pages of other origins; [`FramingRule`]: which of them may frame the player;
//! - [`token_throttle`]: the limit on guessing tokens.
//!
//! The rules know nothing of HTTP: `http::headers` extracts what they need from a request.

pub mod credentials;
pub mod entry;
pub mod framing;
pub mod grant;
pub mod host;
pub mod identity;
pub mod origin;
pub mod pattern;
pub mod table;
pub mod token_throttle;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use fanlight_clock as clock;
use fanlight_grant::{Link, LinkRight, Signer};
use fanlight_protocol::{StreamName, Timestamp};
use parking_lot::RwLock;

use crate::error::Error;
use crate::stats::labels::DenialReason;
use credentials::Presented;
use entry::Rights;
use grant::{GrantError, Session};
use watch::AccessWatch;

pub use credentials::Credentials;
pub use framing::FramingRule;
pub use host::HostRule;
pub use identity::Identity;
pub use origin::OriginRule;
pub use table::AccessTable;

/// An action of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Load the page itself: it holds no secret, and asks for a token if one is needed.
    LoadPage,
    /// Ask whether the relay is alive and ready.
    CheckHealth,
    /// List streams, also over a WebSocket.
    List,
    /// Read metrics.
    ReadMetrics,
    /// View a stream.
    View,
    /// Publish a stream into this relay.
    Publish,
    /// Change the relay's state.
    Admin,
}

impl Action {
    /// Returns whether the action needs no token.
    fn is_public(self) -> bool {
        matches!(self, Self::LoadPage | Self::CheckHealth)
    }

    /// Returns whether these rights include the action.
    fn is_allowed_by(self, rights: Rights) -> bool {
        match self {
            Self::LoadPage | Self::CheckHealth => true,
            Self::List | Self::ReadMetrics | Self::View => rights.view,
            Self::Publish => rights.publish,
            Self::Admin => rights.admin,
        }
    }

    /// Returns the name in messages: `viewing needs a token`.
    fn as_str(self) -> &'static str {
        match self {
            Self::LoadPage | Self::CheckHealth => "this",
            Self::List | Self::ReadMetrics | Self::View => "viewing",
            Self::Publish => "publishing",
            Self::Admin => "administration",
        }
    }
}

/// The access rules of this relay.
#[derive(Debug)]
pub struct Access {
    table: RwLock<Arc<AccessTable>>,
    /// Notified when the table changes.
    changed: tokio::sync::watch::Sender<()>,
    /// Signs sessions and links.
    signer: Signer,
    /// The names under which the relay may be addressed.
    pub hosts: HostRule,
    /// The rights of pages of other origins.
    pub origins: OriginRule,
}

impl Access {
    /// Creates the rules.
    pub fn new(table: AccessTable, signer: Signer, hosts: HostRule, origins: OriginRule) -> Self {
        let (table, changed) = (RwLock::new(Arc::new(table)), tokio::sync::watch::channel(()).0);
        Self { table, changed, signer, hosts, origins }
    }

    /// Signs sessions and links with another secret from now on.
    #[must_use]
    pub fn with_signer(self, signer: Signer) -> Self {
        Self { signer, ..self }
    }

    /// Replaces the table. Clients that are connected are checked again.
    pub fn replace(&self, table: AccessTable) {
        let mut current = self.table.write();
        *current = Arc::new(table.continuing(&current));
        drop(current);
        self.changed.send_replace(());
    }

    /// Returns whether viewing needs a token.
    pub fn guards_viewing(&self) -> bool {
        self.table.read().guards_viewing()
    }

    /// Returns whether clients need a token. Without a table every text passes for one.
    pub fn needs_token(&self) -> bool {
        !self.table.read().is_empty()
    }

    /// Returns when a client that is connected with these credentials must be checked again.
    pub fn watch(&self, credentials: &Credentials) -> AccessWatch {
        let identity = self.identify(credentials).ok();
        AccessWatch::new(self.changed.subscribe(), identity.and_then(|known| known.expires()))
    }

    /// Makes a session for the entry of a token or of a valid session, which does not outlast [`grant::MAX_SESSION`] from the
    /// token on. `is_kept`: it outlasts the browser. Returns its text and its validity.
    ///
    /// # Errors
    /// [`Error::Denied`] for a client with neither.
    pub fn begin_session(
        &self,
        credentials: &Credentials,
        is_kept: bool,
    ) -> Result<(String, Duration), Error> {
        let (entry, before) = match self.identify(credentials)? {
            Identity::Entry { entry, session } => (entry, session),
            Identity::Anyone(_) | Identity::Link { .. } => {
                let message = "a session is for a token";
                return Err(Error::denied(DenialReason::Action, message));
            }
        };
        let validity = if is_kept { grant::KEPT_SESSION } else { grant::SESSION };
        let now = clock::now();
        let session = Session::new(before.map_or(now, |before| before.signed_in), now, validity);
        tracing::info!(access = entry.name, is_kept, "session begun");
        Ok((session.sign(&self.signer, &entry), session.expires.since(now)))
    }

    /// Makes a link to a stream.
    ///
    /// # Errors
    /// [`Error::Denied`] if the client does not have the right itself, or has only a link.
    pub fn make_link(
        &self,
        credentials: &Credentials,
        right: LinkRight,
        stream: &StreamName,
        validity: Duration,
    ) -> Result<(String, Timestamp), Error> {
        let action = match right {
            LinkRight::View => Action::View,
            LinkRight::Publish => Action::Publish,
        };
        let entry = match self.authorize(action, Some(stream), credentials)? {
            Identity::Entry { entry, .. } => entry,
            Identity::Link { .. } => {
                let message = "a link makes no further links: use the token";
                return Err(Error::denied(DenialReason::Action, message));
            }
            Identity::Anyone(_) => {
                let message = "links need a token: see --token and [[access]]";
                return Err(Error::denied(DenialReason::Action, message));
            }
        };
        let expires = clock::now() + validity;
        let link = Link { right, stream: stream.clone(), expires };
        tracing::info!(
            access = entry.name,
            %stream,
            right = right.as_str(),
            seconds = validity.as_secs(),
            "link made"
        );
        Ok((link.sign(&self.signer, &entry.name, &entry.token), expires))
    }

    /// Waits until a client may no longer perform an action; returns the denial.
    pub async fn withdrawn(
        &self,
        action: Action,
        stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Error {
        let mut watch = self.watch(credentials);
        loop {
            watch.changed().await;
            if let Err(denied) = self.authorize(action, stream, credentials) {
                return denied;
            }
        }
    }

    /// Checks whether a client may perform an action, on this stream if it concerns one. Returns who the client is.
    ///
    /// # Errors
    /// [`Error::Denied`] if a token is needed and it is missing or wrong, or if it does not allow the action.
    pub fn authorize(
        &self,
        action: Action,
        stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Result<Identity, Error> {
        let result = self.check(action, stream, credentials);
        if let Err(Error::Denied { reason, .. }) = &result {
            let stream = stream.map(StreamName::as_str);
            tracing::debug!(?action, stream, reason = reason.as_str(), "access denied");
        }
        result
    }

    fn check(
        &self,
        action: Action,
        stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Result<Identity, Error> {
        if action.is_public() {
            return Ok(Identity::Anyone(Rights::default()));
        }
        let identity = self.identify(credentials)?;
        if let Err(denied) = identity.check(action, stream) {
            let stream = stream.map(StreamName::as_str);
            tracing::info!(access = identity.name(), ?action, stream, "access denied: {denied}");
            return Err(denied);
        }
        Ok(identity)
    }

    /// Returns who presents these credentials.
    fn identify(&self, credentials: &Credentials) -> Result<Identity, Error> {
        let table = self.table.read().clone();
        if table.is_empty() {
            let rights = if credentials.is_local() { Rights::ALL } else { Rights::VIEW };
            return Ok(Identity::Anyone(rights));
        }
        let wrong = |what| Error::denied(DenialReason::WrongToken, what);
        let expired = |what| Error::denied(DenialReason::Expired, what);
        match credentials.presented() {
            // Only publishing is guarded.
            None if !table.guards_viewing() => Ok(Identity::Anyone(Rights::VIEW)),
            None => {
                let message = "access token required: add ?token=… to the address";
                Err(Error::denied(DenialReason::NoToken, message))
            }
            Some(Presented::Token(token) | Presented::AmbientToken(token)) => {
                let entry = table.find(token).ok_or_else(|| wrong("wrong access token"))?;
                Ok(Identity::Entry { entry: entry.clone(), session: None })
            }
            Some(Presented::Session(session)) => {
                let verified = Session::verify(session, &self.signer, &table, clock::now());
                match verified {
                    // Everyone may view: a session from before must not lock its browser out.
                    Err(_) if !table.guards_viewing() => Ok(Identity::Anyone(Rights::VIEW)),
                    Ok((session, entry)) => Ok(Identity::Entry { entry, session: Some(session) }),
                    // Not a guess: the relay may have another secret since its restart.
                    Err(GrantError::Invalid) => {
                        let message = "the session is not valid any more: enter the token again";
                        Err(Error::denied(DenialReason::NoToken, message))
                    }
                    Err(GrantError::Expired) => {
                        let message = "the session has expired: enter the token again";
                        Err(Error::denied(DenialReason::NoToken, message))
                    }
                }
            }
            Some(Presented::Link(link)) => {
                match grant::verify_link(link, &self.signer, &table, clock::now()) {
                    Ok((link, entry)) => Ok(Identity::Link { entry, link }),
                    Err(GrantError::Invalid) => Err(wrong("the link is not valid")),
                    Err(GrantError::Expired) => Err(expired("the link has expired")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fanlight_grant::TokenHash;
    use fanlight_grant::signer::SECRET;

    use super::credentials::Parts;
    use super::entry::AccessEntry;
    use super::*;

    const VIEWING: [Action; 3] = [Action::List, Action::View, Action::ReadMetrics];

    fn entry(name: &str, rights: Rights, streams: &[&str]) -> AccessEntry {
        AccessEntry {
            name: name.into(),
            token: TokenHash::of(&format!("token of {name}")),
            rights,
            streams: streams.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            viewers: None,
            publishers: None,
        }
    }

    fn access(entries: Vec<AccessEntry>) -> Access {
        let (table, signer) = (AccessTable::new(entries).unwrap(), Signer::new([1; SECRET]));
        Access::new(table, signer, HostRule::new(&[]), OriginRule::new(&[], true))
    }

    fn of(name: &str) -> Credentials {
        with(Parts { token: Some(&format!("token of {name}")), ..Parts::default() }, false)
    }

    fn with(parts: Parts<'_>, is_local: bool) -> Credentials {
        Credentials::new(parts, is_local)
    }

    /// The reason of a denial, if there is one.
    fn denied(
        access: &Access,
        action: Action,
        stream: &str,
        credentials: &Credentials,
    ) -> Option<DenialReason> {
        match access.authorize(action, stream.parse().ok().as_ref(), credentials) {
            Ok(_) => None,
            Err(Error::Denied { reason, .. }) => Some(reason),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn without_a_table_all_may_view_and_only_this_machine_may_do_more() {
        let access = access(vec![]);
        for is_local in [true, false] {
            let client = with(Parts { token: Some("any token"), ..Parts::default() }, is_local);
            for action in VIEWING {
                assert_eq!(denied(&access, action, "cam", &client), None);
            }
            for action in [Action::Publish, Action::Admin] {
                let expected = (!is_local).then_some(DenialReason::Action);
                assert_eq!(denied(&access, action, "cam", &client), expected);
            }
        }
    }

    #[test]
    fn with_a_table_only_page_and_health_are_open() {
        let access = access(vec![entry("wall", Rights::ALL, &["*"])]);
        let (none, wrong) = (with(Parts::default(), true), of("unknown"));
        for action in VIEWING.into_iter().chain([Action::Publish, Action::Admin]) {
            assert_eq!(denied(&access, action, "cam", &none), Some(DenialReason::NoToken));
            assert_eq!(denied(&access, action, "cam", &wrong), Some(DenialReason::WrongToken));
            assert_eq!(denied(&access, action, "cam", &of("wall")), None);
        }
        for action in [Action::LoadPage, Action::CheckHealth] {
            assert_eq!(denied(&access, action, "cam", &none), None);
            assert_eq!(denied(&access, action, "cam", &wrong), None);
        }
    }

    #[test]
    fn an_entry_allows_its_actions_on_its_streams_and_nothing_else() {
        let publish = Rights { publish: true, ..Rights::default() };
        let admin = Rights { admin: true, ..Rights::default() };
        let access = access(vec![
            entry("viewer", Rights::VIEW, &["cam*"]),
            entry("publisher", publish, &["cam*"]),
            entry("admin", admin, &["cam*"]),
        ]);
        let actions =
            [(Action::View, "viewer"), (Action::Publish, "publisher"), (Action::Admin, "admin")];
        for (action, allowed) in actions {
            for (_, name) in actions {
                let expected = (name != allowed).then_some(DenialReason::Action);
                assert_eq!(denied(&access, action, "cam1", &of(name)), expected, "{name}");
                let expected = expected.or(Some(DenialReason::Stream));
                assert_eq!(denied(&access, action, "door", &of(name)), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_new_table_applies_immediately_and_is_announced() {
        let access = access(vec![entry("wall", Rights::VIEW, &["*"])]);
        let mut changes = access.changed.subscribe();
        assert_eq!(denied(&access, Action::View, "cam", &of("wall")), None);
        assert!(!changes.has_changed().unwrap());
        access.replace(AccessTable::new(vec![entry("wall", Rights::VIEW, &["door"])]).unwrap());
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(denied(&access, Action::View, "cam", &of("wall")), Some(DenialReason::Stream));
        assert_eq!(denied(&access, Action::View, "door", &of("wall")), None);
    }

    #[test]
    fn a_link_gives_one_right_on_one_stream_and_no_more_than_its_maker_has() {
        let access = access(vec![entry("wall", Rights::VIEW, &["cam*"])]);
        let minute = Duration::from_secs(60);
        let stream: StreamName = "cam1".parse().unwrap();
        let make = |client: &Credentials, right, stream: &str| {
            access.make_link(client, right, &stream.parse().unwrap(), minute)
        };
        let (link, _) = make(&of("wall"), LinkRight::View, "cam1").unwrap();
        let client = with(Parts { link: Some(&link), ..Parts::default() }, true);
        assert_eq!(denied(&access, Action::View, "cam1", &client), None);
        assert_eq!(denied(&access, Action::View, "cam2", &client), Some(DenialReason::Stream));
        assert_eq!(denied(&access, Action::Publish, "cam1", &client), Some(DenialReason::Action));
        let identity = access.authorize(Action::List, None, &client).unwrap();
        assert!(identity.sees(&stream) && !identity.sees_everything());
        for (client, right, stream) in [
            (&of("wall"), LinkRight::Publish, "cam1"),
            (&of("wall"), LinkRight::View, "door"),
            (&client, LinkRight::View, "cam1"),
        ] {
            assert!(make(client, right, stream).is_err(), "{right:?} {stream}");
        }
        access.replace(AccessTable::new(vec![entry("wall", Rights::VIEW, &["cam2"])]).unwrap());
        assert_eq!(denied(&access, Action::View, "cam1", &client), Some(DenialReason::Stream));
    }

    #[test]
    fn a_session_stands_for_its_token() {
        let access = access(vec![entry("wall", Rights::VIEW, &["cam*"])]);
        let (session, validity) = access.begin_session(&of("wall"), false).unwrap();
        assert_eq!(validity, grant::SESSION);
        let client = with(Parts { session: Some(&session), ..Parts::default() }, false);
        assert_eq!(denied(&access, Action::View, "cam1", &client), None);
        assert_eq!(denied(&access, Action::View, "door", &client), Some(DenialReason::Stream));
        assert!(access.begin_session(&of("unknown"), false).is_err());
        access.replace(AccessTable::new(vec![entry("other", Rights::VIEW, &["*"])]).unwrap());
        assert_eq!(denied(&access, Action::View, "cam1", &client), Some(DenialReason::NoToken));
    }
}
