//! Announces the relay to the devices of its network, and to their owner.
//!
//! - [`addresses`]: the addresses of this machine that they can use;
//! - [`mdns`]: the name `fanlight.local`, and [`conflict`]: which of two machines keeps it;
//! - [`announcement`]: what the owner of the relay needs to know: addresses, certificate and token, in the log or on the
//!   terminal, there with a QR code.

mod addresses;
mod announcement;
mod conflict;
mod mdns;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fanlight_cli::state_folder::ADDRESS;

use crate::lan_name::LanName;
use crate::state::StateFolder;
use crate::state::secrets::KeptToken;
use announcement::Announcement;
use mdns::Mdns;

/// Longest wait for the name before the addresses are shown without it. To claim a name takes one second, and another three
/// if another machine claims it at the same moment.
const NAME_TIMEOUT: Duration = Duration::from_secs(6);

/// The settings of `--lan`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanSettings {
    /// The name to announce.
    pub name: LanName,
    /// The folder in which the address is kept.
    pub folder: PathBuf,
}

/// The facts that devices need.
#[derive(Debug)]
pub struct Reachable {
    /// The address on which the relay listens.
    pub listening: SocketAddr,
    /// The relay has TLS.
    pub is_encrypted: bool,
    /// The SHA-256 fingerprint of the relay's own authority.
    pub fingerprint: Option<String>,
    /// The token that the relay keeps.
    pub token: Option<KeptToken>,
    /// The URL that users open (`--public-url`), with a slash at its end.
    pub public_url: Option<String>,
}

/// Announces a relay.
#[derive(Debug)]
pub struct Lan {
    settings: Option<LanSettings>,
    reachable: Reachable,
    mdns: Mdns,
}

impl Lan {
    /// Prepares the announcement. Without settings, the relay gets no name.
    pub fn new(settings: Option<LanSettings>, reachable: Reachable) -> Self {
        let mdns = Mdns::new(reachable.listening.port(), reachable.is_encrypted);
        Self { settings, reachable, mdns }
    }

    /// Announces the relay for as long as it is polled.
    pub async fn announce(&self) {
        let Some(settings) = &self.settings else {
            if self.reachable.fingerprint.is_some() {
                self.announcement(None).show();
            }
            return std::future::pending().await;
        };
        tokio::join!(self.mdns.announce(&settings.name), self.show(settings));
    }

    /// Withdraws the name. Takes at most half a second.
    pub fn end(&self) {
        self.mdns.withdraw();
    }

    /// Shows the announcement once the name is certain, and follows the name.
    async fn show(&self, settings: &LanSettings) {
        let mut changes = settings.name.changes();
        let announced = async {
            while settings.name.announced().is_none() {
                changes.changed().await;
            }
        };
        let _ = tokio::time::timeout(NAME_TIMEOUT, announced).await;
        let name = settings.name.announced();
        if name.is_none() {
            tracing::warn!(
                "{} is not announced: mDNS needs an interface with multicast, and UDP port 5353 shared with other programs; \
                 use an address of this machine",
                settings.name.name()
            );
        }
        let announcement = self.announcement(name.as_deref());
        announcement.show();
        self.remember(settings, &announcement);
        let mut known = name;
        loop {
            changes.changed().await;
            let name = settings.name.announced();
            if name.is_some() && name != known {
                let announcement = self.announcement(name.as_deref());
                tracing::info!(page = announcement.page(), "announced by mDNS");
                self.remember(settings, &announcement);
                known = name;
            }
        }
    }

    fn announcement(&self, name: Option<&str>) -> Announcement {
        Announcement::new(name, &self.reachable)
    }

    /// Keeps the address of the page: the name for the next start, and the address for links.
    fn remember(&self, settings: &LanSettings, announcement: &Announcement) {
        let folder = StateFolder::lock(&settings.folder);
        let kept =
            folder.and_then(|folder| folder.write(ADDRESS, &format!("{}\n", announcement.page())));
        if let Err(error) = kept {
            tracing::warn!("the address is not kept: {error:#}");
        }
    }
}
