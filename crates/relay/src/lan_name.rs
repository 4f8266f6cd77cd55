//! The name under which the relay is announced on its network. It changes if another machine has it already.

use std::sync::Arc;

use tokio::sync::watch;

/// The name before the first conflict, without `.local`.
const FIRST: &str = "fanlight";
/// Most machines of one network with this name.
pub const MAX_NAMES: u32 = 99;

/// The name, shared by all parts that need it: mDNS, the certificate and the check of host names.
#[derive(Debug, Clone)]
pub struct LanName(Arc<watch::Sender<Current>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Current {
    name: String,
    is_announced: bool,
}

impl LanName {
    /// Creates the name. `remembered`: the one that this machine had last, if there is one.
    pub fn new(remembered: Option<&str>) -> Self {
        let name = remembered.filter(|name| number(name).is_some()).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("{FIRST}.local"));
        Self(Arc::new(watch::Sender::new(Current { name, is_announced: false })))
    }

    /// Returns the name, for example `fanlight.local`.
    pub fn name(&self) -> String {
        self.0.borrow().name.clone()
    }

    /// Returns the name if it is announced.
    pub fn announced(&self) -> Option<String> {
        let current = self.0.borrow();
        current.is_announced.then(|| current.name.clone())
    }

    /// Returns whether this is the name.
    pub fn is(&self, name: &str) -> bool {
        self.0.borrow().name == name
    }

    /// Changes the name. `is_announced`: no other machine has it.
    pub fn set(&self, name: &str, is_announced: bool) {
        let new = Current { name: name.to_owned(), is_announced };
        self.0.send_if_modified(|current| {
            let is_changed = *current != new;
            *current = new;
            is_changed
        });
    }

    /// Changes to the next name, because another machine has this one. Returns false if there is none.
    pub fn take_next(&self) -> bool {
        let number = number(&self.name()).unwrap_or(1) + 1;
        let is_possible = number <= MAX_NAMES;
        if is_possible {
            self.set(&format!("{FIRST}-{number}.local"), false);
        }
        is_possible
    }

    /// Returns the changes of the name from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

impl PartialEq for LanName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for LanName {}

/// The changes of a name.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Current>);

impl Changes {
    /// Waits until the name has changed, or is announced. Can be cancelled.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Returns the number of a name, 1 for the first; `None` if no relay can have the name.
fn number(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(FIRST)?.strip_suffix(".local")?;
    if rest.is_empty() {
        return Some(1);
    }
    let digits = rest.strip_prefix('-').filter(|digits| !digits.starts_with(['0', '+']))?;
    digits.parse().ok().filter(|number| (2..=MAX_NAMES).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_fanlight_or_numbered() {
        for name in ["fanlight.local", "fanlight-2.local", "fanlight-99.local"] {
            assert!(LanName::new(Some(name)).is(name), "{name}");
        }
        for name in [
            "fanlight-1.local",
            "fanlight-02.local",
            "fanlight-100.local",
            "fanlight",
            "x.local",
            "fanlight-.local",
        ] {
            assert_eq!(number(name), None, "{name}");
            assert_eq!(LanName::new(Some(name)).name(), "fanlight.local");
        }
    }

    #[test]
    fn the_next_name_has_the_next_number_up_to_the_last() {
        let name = LanName::new(None);
        for number in 2..=MAX_NAMES {
            assert!(name.take_next() && name.is(&format!("fanlight-{number}.local")));
        }
        assert!(!name.take_next() && name.is("fanlight-99.local"));
    }

    #[tokio::test]
    async fn a_change_is_noticed_by_all_who_share_the_name() {
        let name = LanName::new(None);
        let (shared, mut changes) = (name.clone(), name.changes());
        assert_eq!(shared.announced(), None);
        name.set("fanlight-2.local", true);
        changes.changed().await;
        assert_eq!(shared.announced().as_deref(), Some("fanlight-2.local"));
        assert!(shared.is("fanlight-2.local") && !shared.is("fanlight.local"));
    }
}
