//! Machines on one local network: network namespaces, each with a cable to a switch.
//!
//! The namespaces have no names, so nothing has to be removed: they end with the last process that holds them.

use std::net::Ipv4Addr;

use fanlight_lossy_link::Namespace;

use crate::link::{namespace, run};

/// Machines on one local network.
#[derive(Debug)]
pub struct Network {
    machines: Vec<Namespace>,
    switch: Namespace,
}

impl Network {
    /// Makes a network of this number of machines. `None` if this machine does not allow it; the reason is printed.
    ///
    /// # Panics
    /// Panics if the machine allows namespaces but a command fails.
    pub fn of(count: usize) -> Option<Self> {
        let switch = namespace()?;
        run(&switch, "ip", "link add switch type bridge");
        run(&switch, "ip", "link set switch up");
        let machines = (0..count).map(|number| machine(&switch, number)).collect::<Option<_>>()?;
        Some(Self { machines, switch })
    }

    /// Returns the address of a machine.
    pub fn address(number: usize) -> Ipv4Addr {
        let last = u8::try_from(number + 1).expect("few machines");
        Ipv4Addr::new(10, 78, 0, last)
    }

    /// Separates a machine from the others. Its interface stays up, as in a network of its own.
    ///
    /// # Panics
    /// Panics if the command fails.
    pub fn separate(&self, machine: usize) {
        run(&self.switch, "ip", &format!("link set port{machine} nomaster"));
    }

    /// Joins a separated machine to the others again.
    ///
    /// # Panics
    /// Panics if the command fails.
    pub fn join(&self, machine: usize) {
        run(&self.switch, "ip", &format!("link set port{machine} master switch"));
    }

    /// Runs `what` on a machine. The programs that it starts stay there.
    pub fn on<T: Send>(&self, machine: usize, what: impl FnOnce() -> T + Send) -> T {
        self.machines[machine].within(what).expect("we may enter what we made")
    }
}

/// Connects a machine to the switch.
fn machine(switch: &Namespace, number: usize) -> Option<Namespace> {
    let machine = namespace()?;
    let plug = format!("port{number}");
    run(
        switch,
        "ip",
        &format!("link add {plug} type veth peer name eth0 netns {}", machine.path()),
    );
    run(switch, "ip", &format!("link set {plug} master switch up"));
    run(&machine, "ip", &format!("address add {}/24 dev eth0", Network::address(number)));
    run(&machine, "ip", "link set lo up");
    run(&machine, "ip", "link set eth0 up");
    Some(machine)
}
