//! mDNS: the name `fanlight.local`, or `fanlight-2.local` if another machine has it, and the relay as a service.
//!
//! The library claims a name as RFC 6762 prescribes (section 8): it asks the network first, and takes another name if a
//! machine has this one. It does so for each interface and kind of address by itself. One machine has one name here, so a
//! conflict anywhere means that the next name is claimed everywhere. The library does not notice conflicts later (section
//! 9); here the name is asked for as long as it is announced.

use std::collections::HashSet;
use std::time::Duration;

use if_addrs::{IfAddr, Interface};
use mdns_sd::{
    DaemonEvent, DaemonStatus, HostnameResolutionEvent, IfKind, Receiver, ScopedIp, ServiceDaemon,
    ServiceInfo,
};
use parking_lot::Mutex;

use super::conflict::{OwnAddress, OwnAddresses};
use crate::lan_name::{LanName, MAX_NAMES};

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
            let lost = self.claim(name, &claimed).await;
            self.release().await;
            if let Err(error) = lost {
                tracing::warn!(
                    "{claimed} is not announced by mDNS: {error}; use an address of this machine"
                );
                return;
            }
            if !name.take_next() {
                break;
            }
            tracing::info!(
                taken = claimed,
                next = name.name(),
                "another machine of this network has the name"
            );
        }
        tracing::warn!(
            "all names up to {} are taken on this network; use an address of this machine",
            name.name()
        );
    }

    /// Claims a name and announces it. Returns when another machine has it.
    async fn claim(&self, name: &LanName, claimed: &str) -> mdns_sd::Result<()> {
        let (daemon, host) = (ServiceDaemon::new()?, format!("{claimed}."));
        *self.daemon.lock() = Some(Daemon(daemon.clone()));
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let (events, found) = (daemon.monitor()?, daemon.resolve_hostname(&host, None)?);
        daemon.register(self.service(&host)?)?;
        let (mut own, mut addresses) = (OwnAddresses::default(), HashSet::new());
        loop {
            tokio::select! {
                event = events.recv_async() => match event {
                    Ok(DaemonEvent::Announce(..)) => name.set(claimed, true),
                    Ok(DaemonEvent::NameChange(change)) if change.original == host => return Ok(()),
                    Ok(DaemonEvent::Error(error)) => tracing::warn!("mDNS: {error}"),
                    Ok(_) => continue,
                    Err(_) => return Err(mdns_sd::Error::DaemonShutdown),
                },
                event = found.recv_async() => match event {
                    Ok(HostnameResolutionEvent::AddressesFound(_, found)) => addresses = found,
                    Ok(HostnameResolutionEvent::AddressesRemoved(_, gone)) => {
                        addresses.retain(|address| !gone.contains(address));
                    }
                    Ok(_) => continue,
                    Err(_) => return Err(mdns_sd::Error::DaemonShutdown),
                },
            }
            own.update(own_addresses());
            // Until the name is announced, the library decides.
            if name.announced().is_some() && own.yields(addresses.iter().map(ScopedIp::to_ip_addr))
            {
                return Ok(());
            }
        }
    }

    fn service(&self, host: &str) -> mdns_sd::Result<ServiceInfo> {
        let instance = self.instance.as_str();
        let properties = [("path", "/"), ("server", "fanlight")];
        let service =
            ServiceInfo::new(self.service, instance, host, "", self.port, &properties[..])?;
        Ok(service.enable_addr_auto())
    }

    /// Withdraws the name, so that others need not wait until it expires. Blocks, so it is for the end of the relay.
    pub(super) fn withdraw(&self) {
        if let Some(ended) = self.shut_down() {
            let _ = ended.recv_timeout(WITHDRAW_TIMEOUT);
        }
    }

    /// Does the same while the relay runs: its thread accepts connections, too.
    async fn release(&self) {
        if let Some(ended) = self.shut_down() {
            let _ = tokio::time::timeout(WITHDRAW_TIMEOUT, ended.recv_async()).await;
        }
    }

    fn shut_down(&self) -> Option<Receiver<DaemonStatus>> {
        let Daemon(daemon) = self.daemon.lock().take()?;
        daemon.shutdown().ok()
    }
}

fn own_addresses() -> Vec<OwnAddress> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let prefix = |interface: &Interface| match &interface.addr {
        IfAddr::V4(of) => of.prefixlen,
        IfAddr::V6(of) => of.prefixlen,
    };
    let own = interfaces.iter().filter(|found| !found.is_loopback());
    own.map(|found| OwnAddress { address: found.ip(), prefix: prefix(found) }).collect()
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
