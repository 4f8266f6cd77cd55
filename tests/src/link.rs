//! A link of a rate and a queue of one's choice, between a relay and those who watch it from afar.
//!
//! Two network namespaces and a cable between them, on which the kernel's `tbf` lets so many bits a second through and
//! holds what does not fit. The relay listens at one end: viewers [across](Link::across) the link come from the other
//! end, those [beside](Link::beside) the relay do not use it. The bus crosses namespaces by the file system.
//!
//! The namespaces have no names, so that there is nothing to remove: they end with the last one who holds them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::panic;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::note;
use crate::relay::Relay;
use crate::site::Site;
use crate::tools;

/// The relay's address, and that of all viewers from afar. Each link is a world of its own: the same do for all.
const NEAR: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";

/// A link between a relay and those who watch it from afar.
#[derive(Debug)]
pub struct Link {
    near: Namespace,
    far: Namespace,
    /// How long what lies in its queue takes to get through, when it is full.
    queue: Duration,
}

/// A network of its own.
#[derive(Debug)]
struct Namespace(File);

impl Link {
    /// Lays a link that carries so many kbit a second, and queues as much as it carries in `queue`. `None` where this
    /// machine does not allow it; the reason is noted.
    ///
    /// # Panics
    /// When it is allowed and fails all the same.
    pub fn lay(rate: u32, queue: Duration) -> Option<Self> {
        if !geteuid().is_root() {
            note("skipped: only root may make network namespaces");
            return None;
        }
        let made = Namespace::make().and_then(|near| Ok((near, Namespace::make()?)));
        let (near, far) = made
            .map_err(|error| note(format!("skipped: no network namespace is to be had: {error}")))
            .ok()?;
        near.ip(&format!("link add near type veth peer name far netns {}", far.path()));
        near.ip(&format!("address add {NEAR}/30 dev near"));
        far.ip(&format!("address add {FAR}/30 dev far"));
        // Those beside the relay go by lo, also when the cable is gone: or they would not hear that the relay is.
        near.ip(&format!("address add {NEAR}/32 dev lo"));
        near.ip("link set lo up");
        near.ip("link set near up");
        far.ip("link set far up");
        let link = Self { near, far, queue };
        link.set_rate(rate);
        Some(link)
    }

    /// Makes it wider or narrower.
    pub fn set_rate(&self, rate: u32) {
        let queue = self.queue.as_millis();
        let rule = format!("rate {rate}kbit burst 16kb latency {queue}ms");
        self.near.run("tc", &format!("qdisc replace dev near root tbf {rule}"));
    }

    /// Starts a relay at its near end, under this congestion control. `None` where the kernel does not offer that; the
    /// reason is noted.
    pub fn relay(&self, site: &Site, congestion: &str) -> Option<Relay> {
        let arguments = ["--insecure", "--congestion", congestion];
        let relay = self.beside(|| site.relay_at(&format!("{NEAR}:0"), &arguments));
        let obtained = self.beside(|| relay.congestion());
        if obtained != congestion {
            note(format!("skipped: this kernel offers {obtained:?} and not {congestion}"));
            return None;
        }
        Some(relay)
    }

    /// Does something from afar. Connections that are made meanwhile go over the link for good.
    pub fn across<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.far.within(what)
    }

    /// Does something beside the relay. Connections that are made meanwhile never go over the link.
    pub fn beside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.near.within(what)
    }
}

impl Namespace {
    /// A program is started in one, and we hold on to that before it ends.
    fn make() -> io::Result<Self> {
        let mut command = tools::tool("unshare", &["--net", "cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let path = format!("/proc/{}/ns/net", child.id());
        let mut stdin = child.stdin.take().expect("asked for above");
        let stdout = child.stdout.as_mut().expect("asked for above");
        // What it repeats, it repeats in there.
        let held = stdin
            .write_all(b"?")
            .and_then(|()| stdout.read_exact(&mut [0]))
            .and_then(|()| File::open(path));
        drop(stdin);
        let ended = child.wait_with_output()?;
        held.map(Self).map_err(|_| io::Error::other(String::from_utf8_lossy(&ended.stderr).trim()))
    }

    /// Does something on a thread that is in there.
    fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let enter = || move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network));
        let done = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter().expect("we may enter what we made");
                what()
            });
            thread.join()
        });
        done.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }

    fn ip(&self, arguments: &str) {
        self.run("ip", arguments);
    }

    fn run(&self, program: &str, arguments: &str) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let command: Command = tools::tool(program, &arguments);
        self.within(|| tools::run("iproute2", command));
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}
