//! mDNS: the name `fanlight.local`, or `fanlight-2.local` if another machine has it, and the relay as a service.
//!
//! The library claims a name as RFC 6762 prescribes (sections 8 and 9): it asks the network first, and yields to a machine
//! that has the name. It does so for each interface and kind of address by itself. One machine has one name here, so a
//! conflict anywhere means that the next name is claimed everywhere.

use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, ServiceDaemon, ServiceInfo};
use parking_lot::Mutex;

use crate::lan_name::{LanName, MAX_NAMES, is_lan_name};

/// The kinds of service that are announced.
const HTTPS: &str = "_https._tcp.local.";
const HTTP: &str = "_http._tcp.local.";
/// Longest wait for the messages that withdraw the name.
const WITHDRAW_TIMEOUT: Duration = Duration::from_millis(500);
/// Longest name of a service, in bytes (RFC 6763, section 4.1.1).
const MAX_INSTANCE: usize = 63;

/// Announces the relay by mDNS.
#[derive(Debug)]
pub(super) struct Mdns {
    port: u16,
    service: &'static str,
    instance: String,
    daemon: Mutex<Option<Daemon>>,
}

struct Daemon(ServiceDaemon);

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").finish_non_exhaustive()
    }
}

impl Mdns {
    pub(super) fn new(port: u16, is_encrypted: bool) -> Self {
        let service = if is_encrypted { HTTPS } else { HTTP };
        Self { port, service, instance: instance(), daemon: Mutex::default() }
    }

    /// Announces the relay under a name that no other machine has, and follows the addresses of this machine. Ends only if
    /// that is not possible.
    pub(super) async fn announce(&self, name: &LanName) {
        for _ in 0..MAX_NAMES {
            let claimed = name.name();
            let next = match self.claim(name, &claimed).await {
                Ok(next) => next,
                Err(error) => {
                    self.withdraw();
                    tracing::warn!(
                        "{claimed} is not announced by mDNS: {error}; use an address of this machine"
                    );
                    return;
                }
            };
            self.withdraw();
            if !is_lan_name(&next) {
                break;
            }
            tracing::info!(taken = claimed, next, "another machine of this network has the name");
            name.set(&next, false);
        }
        tracing::warn!(
            "all names up to {} are taken on this network; use an address of this machine",
            name.name()
        );
    }

    /// Claims a name and announces it. Returns the next name if another machine has this one.
    async fn claim(&self, name: &LanName, claimed: &str) -> mdns_sd::Result<String> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let events = daemon.monitor()?;
        let service = self.service(claimed)?;
        *self.daemon.lock() = Some(Daemon(daemon.clone()));
        daemon.register(service)?;
        let own = format!("{claimed}.");
        loop {
            match events.recv_async().await {
                Ok(DaemonEvent::Announce(..)) => name.set(claimed, true),
                Ok(DaemonEvent::NameChange(change)) if change.original == own => {
                    return Ok(change.new_name.trim_end_matches('.').to_owned());
                }
                Ok(DaemonEvent::Error(error)) => tracing::warn!("mDNS: {error}"),
                Ok(_) => {}
                Err(_) => return Err(mdns_sd::Error::DaemonShutdown),
            }
        }
    }

    fn service(&self, claimed: &str) -> mdns_sd::Result<ServiceInfo> {
        let (instance, host) = (self.instance.as_str(), format!("{claimed}."));
        let properties = [("path", "/"), ("server", "fanlight")];
        let service =
            ServiceInfo::new(self.service, instance, &host, "", self.port, &properties[..])?;
        Ok(service.enable_addr_auto())
    }

    /// Withdraws the name, so that others need not wait until it expires.
    pub(super) fn withdraw(&self) {
        let Some(Daemon(daemon)) = self.daemon.lock().take() else { return };
        if let Ok(ended) = daemon.shutdown() {
            let _ = ended.recv_timeout(WITHDRAW_TIMEOUT);
        }
    }
}

/// Returns the name of the service, as lists of services show it.
fn instance() -> String {
    let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut text = format!("Fanlight on {own}");
    while text.len() > MAX_INSTANCE {
        text.pop();
    }
    text
}
