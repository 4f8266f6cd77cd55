//! Access rules: which client may do what. Every route and every `watch` passes [`Access::authorize`].
//!
//! - [`pattern`] and [`entry`]: a token, and what a client with it may do; [`table`]: all of them;
//! - [`credentials`]: what a client presents; [`identity`]: what follows from it;
//! - [`HostRule`]: the names under which the relay may be addressed;
//! - [`OriginRule`]: the rights of pages of other origins;
//! - [`token_throttle`]: the limit on guessing tokens.
//!
//! The rules know nothing of HTTP: `http::headers` extracts what they need from a request.

pub mod credentials;
pub mod entry;
pub mod host;
pub mod identity;
pub mod origin;
pub mod pattern;
pub mod table;
pub mod token_throttle;

use std::sync::Arc;

use fanlight_protocol::StreamName;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::error::Error;
use crate::stats::labels::DenialReason;
use entry::Rights;

pub use credentials::Credentials;
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
    changed: watch::Sender<()>,
    /// The names under which the relay may be addressed.
    pub hosts: HostRule,
    /// The rights of pages of other origins.
    pub origins: OriginRule,
}

impl Access {
    /// Creates the rules.
    pub fn new(table: AccessTable, hosts: HostRule, origins: OriginRule) -> Self {
        Self { table: RwLock::new(Arc::new(table)), changed: watch::channel(()).0, hosts, origins }
    }

    /// Replaces the table. Clients that are connected are checked again.
    pub fn replace(&self, table: AccessTable) {
        let mut current = self.table.write();
        *current = Arc::new(table.continuing(&current));
        drop(current);
        self.changed.send_replace(());
    }

    /// Returns a receiver that is notified when the table changes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until a client may no longer perform an action; returns the denial.
    pub async fn withdrawn(
        &self,
        action: Action,
        stream: Option<&StreamName>,
        credentials: &Credentials,
    ) -> Error {
        let mut changes = self.changes();
        loop {
            // The sender is part of these rules.
            let _ = changes.changed().await;
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
        identity.check(action, stream)?;
        Ok(identity)
    }

    /// Returns who presents these credentials.
    fn identify(&self, credentials: &Credentials) -> Result<Identity, Error> {
        let table = self.table.read().clone();
        if table.is_empty() {
            let rights = if credentials.is_local() { Rights::ALL } else { Rights::VIEW };
            return Ok(Identity::Anyone(rights));
        }
        let Some(token) = credentials.token() else {
            let message = "access token required: add ?token=… to the address";
            return Err(Error::denied(DenialReason::NoToken, message));
        };
        match table.find(token) {
            Some(entry) => Ok(Identity::Entry(entry.clone())),
            None => Err(Error::denied(DenialReason::WrongToken, "wrong access token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::entry::{AccessEntry, TokenHash};
    use super::*;

    const VIEWING: [Action; 3] = [Action::List, Action::View, Action::ReadMetrics];

    fn entry(name: &str, rights: Rights, streams: &[&str]) -> AccessEntry {
        AccessEntry {
            name: name.into(),
            token: TokenHash::of(&format!("token of {name}")),
            rights,
            streams: streams.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            viewers: None,
        }
    }

    fn access(entries: Vec<AccessEntry>) -> Access {
        let table = AccessTable::new(entries).unwrap();
        Access::new(table, HostRule::new(&[]), OriginRule::new(&[], true))
    }

    fn of(name: &str) -> Credentials {
        Credentials::new(None, Some(&format!("token of {name}")), false)
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
            let client = Credentials::new(None, Some("any token"), is_local);
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
        let (none, wrong) = (Credentials::new(None, None, true), of("nobody"));
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
        let mut changes = access.changes();
        assert_eq!(denied(&access, Action::View, "cam", &of("wall")), None);
        assert!(!changes.has_changed().unwrap());
        access.replace(AccessTable::new(vec![entry("wall", Rights::VIEW, &["door"])]).unwrap());
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(denied(&access, Action::View, "cam", &of("wall")), Some(DenialReason::Stream));
        assert_eq!(denied(&access, Action::View, "door", &of("wall")), None);
    }
}
