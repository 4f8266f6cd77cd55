//! The access table: its entries, and the one that a token belongs to.

use std::sync::Arc;

use fanlight_grant::TokenHash;

use super::entry::AccessEntry;
use crate::limits::EntryLimit;

/// Most entries. Each request with a token compares it with all of them.
pub const MAX_ENTRIES: usize = 256;

/// The entries of a relay. Without any, the relay is open.
#[derive(Debug, Default)]
pub struct AccessTable {
    entries: Vec<Arc<AccessEntry>>,
}

/// The reason why entries are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTable {
    /// There are too many entries.
    #[error("there are {0} entries; at most {MAX_ENTRIES} are possible")]
    TooMany(usize),
    /// Two entries have one name.
    #[error("two entries are named {0:?}")]
    SameName(String),
    /// Two entries have one token.
    #[error("the entries {0:?} and {1:?} have the same token")]
    SameToken(String, String),
}

impl AccessTable {
    /// Creates a table.
    ///
    /// # Errors
    /// Fails if there are too many entries, or two of them have the same name or token.
    pub fn new(entries: Vec<AccessEntry>) -> Result<Self, InvalidTable> {
        if entries.len() > MAX_ENTRIES {
            return Err(InvalidTable::TooMany(entries.len()));
        }
        for (at, entry) in entries.iter().enumerate() {
            for other in &entries[..at] {
                if other.name == entry.name {
                    return Err(InvalidTable::SameName(entry.name.clone()));
                }
                if other.token == entry.token {
                    return Err(InvalidTable::SameToken(other.name.clone(), entry.name.clone()));
                }
            }
        }
        Ok(Self { entries: entries.into_iter().map(Arc::new).collect() })
    }

    /// Returns whether viewing needs a token. It does not if all entries are for publishing alone.
    pub fn guards_viewing(&self) -> bool {
        self.entries.iter().any(|entry| entry.rights.view || entry.rights.admin)
    }

    /// Returns whether there is no entry, so that no token is needed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the entry of a token. All entries are compared, so that the time does not tell which one it is.
    pub fn find(&self, token: &str) -> Option<&Arc<AccessEntry>> {
        let token = TokenHash::of(token);
        self.entries.iter().fold(None, |found, entry| match entry.token == token {
            true => Some(entry),
            false => found,
        })
    }

    /// Returns the entry with this name.
    pub fn named(&self, name: &str) -> Option<&Arc<AccessEntry>> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Continues to count the viewers and publishers of the entries of `before` that have the same name.
    #[must_use]
    pub fn continuing(mut self, before: &Self) -> Self {
        for entry in &mut self.entries {
            let known = before.entries.iter().find(|known| known.name == entry.name);
            // Nothing else has this new entry.
            if let (Some(before), Some(entry)) = (known, Arc::get_mut(entry)) {
                entry.viewers = continuing(entry.viewers.take(), before.viewers.as_ref());
                entry.publishers = continuing(entry.publishers.take(), before.publishers.as_ref());
            }
        }
        self
    }
}

/// Returns a limit with the count of the one before, if there are both.
fn continuing(limit: Option<EntryLimit>, before: Option<&EntryLimit>) -> Option<EntryLimit> {
    match (limit, before) {
        (Some(limit), Some(before)) => Some(limit.continuing(before)),
        (limit, _) => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Rights;
    use super::super::pattern::StreamPattern;
    use super::*;
    use crate::limits::EntryLimit;

    fn entry(name: &str, token: &str) -> AccessEntry {
        AccessEntry {
            name: name.into(),
            token: TokenHash::of(token),
            rights: Rights::VIEW,
            streams: vec![StreamPattern::all()],
            viewers: Some(EntryLimit::new(1)),
            publishers: None,
        }
    }

    #[test]
    fn a_token_leads_to_its_entry() {
        let table = AccessTable::new(vec![entry("a", "token-a"), entry("b", "token-b")]).unwrap();
        assert_eq!(table.find("token-b").unwrap().name, "b");
        assert!(table.find("token-").is_none() && table.find("").is_none());
    }

    #[test]
    fn names_and_tokens_occur_once_and_entries_are_limited() {
        let refused = |entries| AccessTable::new(entries).unwrap_err().to_string();
        assert!(refused(vec![entry("a", "x"), entry("a", "y")]).contains("named \"a\""));
        assert!(refused(vec![entry("a", "x"), entry("b", "x")]).contains("same token"));
        let many = |count| (0..count).map(|n| entry(&n.to_string(), &n.to_string())).collect();
        assert!(AccessTable::new(many(MAX_ENTRIES)).is_ok());
        assert!(refused(many(MAX_ENTRIES + 1)).contains("256"));
    }

    #[test]
    fn a_new_table_continues_to_count_viewers() {
        let before = AccessTable::new(vec![entry("a", "x")]).unwrap();
        let permit = before.find("x").unwrap().admit().unwrap();
        let after = AccessTable::new(vec![entry("a", "y")]).unwrap().continuing(&before);
        assert!(after.find("y").unwrap().admit().is_err());
        drop(permit);
        assert!(after.find("y").unwrap().admit().is_ok());
    }
}
