//! A link of a chosen rate and queue between a relay and viewers at a distance.
//!
//! Two network namespaces with a connection between them: a cable on which the kernel's `tbf` limits the rate towards
//! the viewers, or a bad link in user space ([`Link::lossy`]). The relay listens at one end. Viewers
//! [across](Link::across) the link connect from the other end, viewers [beside](Link::beside) the relay do not use
//! it. The bus crosses namespaces by the file system.
//!
//! The namespaces have no names, so nothing has to be removed: they end with the last process that holds them.

use std::net::Ipv4Addr;
use std::time::Duration;

use fanlight_lossy_link::forwarder::End;
use fanlight_lossy_link::namespace::NamespaceError;
use fanlight_lossy_link::{Forwarder, Namespace};
use rustix::process::geteuid;

use crate::note;
use crate::relay::Relay;
use crate::site::{RELAY, Site};

/// The address of all viewers at a distance. Each link has namespaces of its own, so all links use the same addresses.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// A link between a relay and viewers at a distance.
#[derive(Debug)]
pub struct Link {
    near: Namespace,
    far: Namespace,
    wire: Wire,
}

/// Connects the two ends.
#[derive(Debug)]
enum Wire {
    /// A cable whose rate can be changed. A full queue takes this long to drain.
    Cable { queue: Duration },
    /// A forwarder, held until the link ends.
    Lossy { _forwarder: Forwarder },
}

impl Link {
    /// The relay's address.
    pub const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

    /// Makes a link of `rate` kbit/s whose queue takes `queue` to drain. `None` if this machine does not allow it; the
    /// reason is printed.
    ///
    /// # Panics
    /// Panics if the machine allows it but a command fails.
    pub fn with_rate(rate: u32, queue: Duration) -> Option<Self> {
        let (near, far) = namespaces()?;
        run(&near, "ip", &format!("link add near type veth peer name far netns {}", far.path()));
        run(&near, "ip", &format!("address add {}/30 dev near", Self::NEAR));
        run(&far, "ip", &format!("address add {FAR}/30 dev far"));
        // Viewers beside the relay use lo, which also works when the cable is removed, so that they notice when the
        // relay exits.
        run(&near, "ip", &format!("address add {}/32 dev lo", Self::NEAR));
        run(&near, "ip", "link set lo up");
        run(&near, "ip", "link set near up");
        run(&far, "ip", "link set far up");
        let link = Self { near, far, wire: Wire::Cable { queue } };
        link.set_rate(rate);
        Some(link)
    }

    /// Makes a link with packet loss and a chosen round trip. `None` if this machine does not allow it; the reason is printed.
    ///
    /// # Panics
    /// Panics if the machine allows namespaces but a command fails.
    pub fn lossy(how: fanlight_lossy_link::Link) -> Option<Self> {
        let (near, far) = namespaces()?;
        run(&near, "ip", "link set lo up");
        let ends = [
            End { namespace: &near, address: Self::NEAR, device: "near" },
            End { namespace: &far, address: FAR, device: "far" },
        ];
        let forwarder = Forwarder::start(&ends[0], &ends[1], how)
            .map_err(|error| note(format!("skipped: no lossy link: {error}")))
            .ok()?;
        Some(Self { near, far, wire: Wire::Lossy { _forwarder: forwarder } })
    }

    /// Changes the rate of a cable towards the viewers, in kbit/s.
    ///
    /// # Panics
    /// Panics if the link is not a cable.
    pub fn set_rate(&self, rate: u32) {
        let Wire::Cable { queue } = &self.wire else { panic!("only a cable changes its rate") };
        let queue = queue.as_millis();
        let rule = format!("rate {rate}kbit burst 16kb latency {queue}ms");
        run(&self.near, "tc", &format!("qdisc replace dev near root tbf {rule}"));
    }

    /// Starts a relay at the near end, under this congestion control. `None` if the kernel does not offer that; the
    /// reason is printed.
    pub fn relay(&self, site: &Site, congestion: &str) -> Option<Relay> {
        self.relay_of(site, RELAY, congestion)
    }

    /// Starts a relay as [`relay`](Self::relay) does, from this program: a name of ours, or the path of another build.
    pub fn relay_of(&self, site: &Site, program: &str, congestion: &str) -> Option<Relay> {
        let arguments = ["--insecure", "--congestion", congestion];
        let address = format!("{}:0", Self::NEAR);
        let relay = self.beside(|| site.relay_of(program, &address, &arguments));
        let obtained = self.beside(|| relay.congestion());
        if obtained != congestion {
            note(format!("skipped: this kernel offers {obtained:?} and not {congestion}"));
            return None;
        }
        Some(relay)
    }

    /// Starts a relay at the near end with these options.
    pub fn relay_with(&self, site: &Site, arguments: &[&str]) -> Relay {
        self.beside(|| site.relay_at(&format!("{}:0", Self::NEAR), arguments))
    }

    /// Runs `what` at the far end. Connections that it opens always use the link.
    pub fn across<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.far.within(what).expect("we may enter what we made")
    }

    /// Runs `what` beside the relay. Connections that it opens never use the link.
    pub fn beside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.near.within(what).expect("we may enter what we made")
    }
}

fn namespaces() -> Option<(Namespace, Namespace)> {
    Some((namespace()?, namespace()?))
}

/// Returns a namespace; `None` if this machine does not allow it. The reason is printed.
pub(crate) fn namespace() -> Option<Namespace> {
    if !geteuid().is_root() {
        note("skipped: only root may make network namespaces");
        return None;
    }
    let skipped = |error: NamespaceError| note(format!("skipped: no network namespace: {error}"));
    Namespace::unnamed().map_err(skipped).ok()
}

/// Runs a program of iproute2 in a namespace.
pub(crate) fn run(namespace: &Namespace, program: &str, arguments: &str) {
    let done = namespace.run(program, arguments);
    done.unwrap_or_else(|error| panic!("{error}: install the package iproute2"));
}
